package movein

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// previewed is how many tokens the tokenstore names in one preview.
const previewed = 200

// settleTokens asks the tokenstore what would become of each token. One that is known stays as it
// is: an admin may have changed it since. One whose alias another token has goes without.
func (d *Desk) settleTokens(ctx context.Context, plan *foreign.Plan) error {
	unnamed := func(item *foreign.Item) element {
		it := elementOf(item, plan)
		it.Alias = ""
		return it
	}
	err := d.preview(ctx, plan, moving(plan, func(*foreign.Token) bool { return true }), unnamed, func(item *foreign.Item, known bool, problem string) {
		switch {
		case problem != "":
			leave(item, problem)
		case known:
			same(item, "")
		}
	})
	if err != nil {
		return err
	}
	named := moving(plan, func(t *foreign.Token) bool { return t.Alias != "" })
	return d.preview(ctx, plan, named, func(item *foreign.Item) element { return elementOf(item, plan) }, func(item *foreign.Item, _ bool, problem string) {
		if problem != "" {
			item.Token.Alias = ""
			note(item, "without its name, which another token has")
		}
	})
}

// moving are the tokens that are taken over and that are meant.
func moving(plan *foreign.Plan, meant func(*foreign.Token) bool) []*foreign.Item {
	var items []*foreign.Item
	for i := range plan.Items {
		if item := &plan.Items[i]; item.Token != nil && moves(item) && meant(item.Token) {
			items = append(items, item)
		}
	}
	return items
}

// preview tells of each token whether it is known, or what is wrong with it.
func (d *Desk) preview(
	ctx context.Context, plan *foreign.Plan, items []*foreign.Item, as func(*foreign.Item) element, tell func(item *foreign.Item, known bool, problem string),
) error {
	for some := range slices.Chunk(items, previewed) {
		file := newTokenFile(plan)
		for _, item := range some {
			file.add(as(item), item)
		}
		answer, err := d.tokens.PreviewTokens(ctx, &tokenstorev1.PreviewTokensRequest{Import: file.request()})
		if err != nil {
			return storeerr.Translate(err)
		}
		for _, rejected := range answer.GetReport().GetRejected() {
			if item := file.at(rejected.GetLine()); item != nil && item.Token != nil {
				tell(item, false, rejected.GetReason())
			}
		}
		for _, token := range answer.GetTokens() {
			if item := file.at(token.GetLine()); item != nil {
				tell(item, token.GetKnown(), "")
			}
		}
	}
	return nil
}

// importTokens makes the new upstreams and tokens.
func (d *Desk) importTokens(ctx context.Context, plan *foreign.Plan) error {
	file := newTokenFile(plan)
	for _, item := range moving(plan, func(*foreign.Token) bool { return true }) {
		file.add(elementOf(item, plan), item)
	}
	if len(file.items) == 0 {
		return nil
	}
	answer, err := d.tokens.ImportTokens(ctx, file.request())
	if err != nil {
		return storeerr.Translate(err)
	}
	for _, rejected := range answer.GetRejected() {
		if item := file.at(rejected.GetLine()); item != nil {
			leave(item, rejected.GetReason())
		}
	}
	return nil
}

// tokenFile is the JSON form of token files, with one upstream or token a line.
type tokenFile struct {
	text strings.Builder
	// items are those of the lines, from the second on.
	items []*foreign.Item
}

// newTokenFile begins one with the plan's new upstreams.
func newTokenFile(plan *foreign.Plan) *tokenFile {
	file := &tokenFile{}
	for i := range plan.Items {
		if item := &plan.Items[i]; item.Upstream != nil && moves(item) {
			u := item.Upstream
			file.add(definition{u.Name, u.Driver, u.BaseURL, u.Models, settingsOf(u)}, item)
		}
	}
	return file
}

func (f *tokenFile) add(it any, item *foreign.Item) {
	packed, err := json.Marshal(it)
	if err != nil {
		panic(fmt.Sprintf("movein: texts and numbers can't be encoded: %v", err))
	}
	mark := ","
	if len(f.items) == 0 {
		mark = "["
	}
	f.text.WriteString(mark + "\n")
	f.text.Write(packed)
	f.items = append(f.items, item)
}

func (f *tokenFile) request() *tokenstorev1.ImportTokensRequest {
	return &tokenstorev1.ImportTokensRequest{Content: f.text.String() + "\n]\n", Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON}
}

// at is the item of a line; nil where there is none.
func (f *tokenFile) at(line uint32) *foreign.Item {
	if line < 2 || int(line) > len(f.items)+1 {
		return nil
	}
	return f.items[line-2]
}

// definition is an upstream in a token file.
type definition struct {
	Upstream string            `json:"upstream"`
	Driver   string            `json:"driver"`
	BaseURL  string            `json:"base_url"`
	Models   []string          `json:"models,omitempty"`
	Settings map[string]string `json:"settings,omitempty"`
}

// element is a token in one.
type element struct {
	Token        string   `json:"token"`
	Upstream     string   `json:"upstream"`
	Alias        string   `json:"alias,omitempty"`
	Tags         []string `json:"tags,omitempty"`
	Cap          uint32   `json:"cap,omitempty"`
	Weight       uint32   `json:"weight,omitempty"`
	Enabled      bool     `json:"enabled"`
	Checksum     string   `json:"checksum,omitempty"`
	RefreshToken string   `json:"refresh_token,omitempty"`
	Proxy        string   `json:"proxy,omitempty"`
}

func elementOf(item *foreign.Item, plan *foreign.Plan) element {
	t := item.Token
	return element{
		Token: t.Secret.Reveal(), Upstream: t.Upstream.Name, Alias: t.Alias, Tags: []string{tagOf(item, plan)}, Cap: t.Cap, Weight: t.Weight,
		Enabled: !t.Disabled, Checksum: t.Checksum.Reveal(), RefreshToken: t.Refresh.Reveal(), Proxy: t.Proxy.Reveal(),
	}
}

// tagOf is what a token is tagged with, so that all that were moved in are found again.
func tagOf(item *foreign.Item, plan *foreign.Plan) string {
	for _, file := range plan.Files {
		if file.Name == item.File {
			return "from-" + file.Format
		}
	}
	return "moved-in"
}
