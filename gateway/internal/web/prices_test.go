package web_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func (s *store) GetPrices(_ context.Context, r *tokenstorev1.GetPricesRequest, _ ...grpc.CallOption) (*tokenstorev1.GetPricesResponse, error) {
	return ask[*tokenstorev1.GetPricesResponse](s, r)
}

func (s *store) PutPrices(_ context.Context, r *tokenstorev1.PutPricesRequest, _ ...grpc.CallOption) (*tokenstorev1.PutPricesResponse, error) {
	return ask[*tokenstorev1.PutPricesResponse](s, r)
}

func setPrices() *tokenstorev1.GetPricesResponse {
	return &tokenstorev1.GetPricesResponse{Prices: &tokenstorev1.Prices{Version: 7, Prices: []*tokenstorev1.Price{
		{Match: hostile, Upstream: hostile, Input: proto.Uint64(3_000_000), Output: proto.Uint64(15_500_000), CacheRead: proto.Uint64(0)},
		{Match: "old", Input: proto.Uint64(1), Source: "litellm"},
		{Match: "stays", Input: proto.Uint64(2_000_000), Source: "models.dev"},
	}}}
}

// putIn is what the tokenstore was asked to keep; nil: nothing.
func putIn(s *site) *tokenstorev1.PutPricesRequest {
	for _, asked := range s.store.asked {
		if put, is := asked.(*tokenstorev1.PutPricesRequest); is {
			return put
		}
	}
	return nil
}

func TestPricesPage(t *testing.T) {
	t.Parallel()
	page := parse(t, usedSite(t, usedByModels()).get(t, "/admin/prices").Body)
	set := text(page.byID("prices-set"))
	for _, shown := range []string{hostile + " at " + hostile + " only", "3.00", "15.50", "0.00", "0.000001", "from LiteLLM"} {
		if !strings.Contains(set, shown) {
			t.Errorf("%q is not in it: %s", shown, set)
		}
	}
	if builtIn := text(page.byID("prices-built-in")); !strings.Contains(builtIn, "gpt-4o 2.50 10.00 1.25") {
		t.Errorf("built in: %.300s", builtIn)
	}
	// gpt-4o has a price meanwhile.
	if without := text(page.byID("unpriced")); !strings.Contains(without, hostile+" cursor · requests: 12") || strings.Contains(without, "gpt-4o") {
		t.Errorf("without a price: %s", without)
	}
	found := parse(t, newSite(t, full()).get(t, "/admin/prices?q=GPT-4o-mini").Body)
	if set, builtIn := text(found.byID("prices-set")), text(found.byID("prices-built-in")); !strings.Contains(set, "No price matches") || !strings.Contains(builtIn, "gpt-4o-mini") || strings.Contains(builtIn, "claude") {
		t.Errorf("found: %s, %s", set, builtIn)
	}
}

func TestAPriceIsSet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		form url.Values
		want []*tokenstorev1.Price
	}{
		"new": {
			url.Values{"new": {"1"}, "match": {" claude-* "}, "upstream": {"vendor"}, "input": {"3"}, "output": {"15.000001"}, "reasoning": {"0"}},
			append(setPrices().GetPrices().GetPrices(), &tokenstorev1.Price{Match: "claude-*", Upstream: "vendor", Input: proto.Uint64(3_000_000), Output: proto.Uint64(15_000_001), Reasoning: proto.Uint64(0)}),
		},
		"another": {
			url.Values{"match": {"stays"}, "input": {"4"}},
			append(setPrices().GetPrices().GetPrices()[:2], &tokenstorev1.Price{Match: "stays", Input: proto.Uint64(4_000_000)}),
		},
	} {
		site := newSite(t, full())
		c.form.Set("csrf", site.session.CSRF)
		c.form.Set("version", "7")
		got := site.submit(t, "/admin/prices/edit", c.form)
		if got.code != http.StatusSeeOther || !strings.HasPrefix(got.location, "/admin/prices?saved=") {
			t.Errorf("%s: %d to %q: %s", name, got.code, got.location, text(got.page.root))
		}
		if diff := cmp.Diff(&tokenstorev1.PutPricesRequest{Prices: c.want, ExpectedVersion: 7}, putIn(site), protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff([]string{"price put"}, site.store.kept); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAPriceIsRemoved(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	got := site.submit(t, "/admin/prices/remove", url.Values{"csrf": {site.session.CSRF}, "match": {hostile}, "upstream": {hostile}, "version": {"7"}})
	want := &tokenstorev1.PutPricesRequest{Prices: setPrices().GetPrices().GetPrices()[1:], ExpectedVersion: 7}
	if diff := cmp.Diff(want, putIn(site), protocmp.Transform()); diff != "" || got.location != "/admin/prices?removed="+url.QueryEscape(hostile) {
		t.Errorf("%d to %q: %s", got.code, got.location, diff)
	}
}

// What can't be saved comes back as it was filled in, with a sentence.
func TestAPriceThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		field, value, says string
	}{
		"no model":   {"match", "", "Enter a model's id"},
		"no amount":  {"input", "", "Enter at least one amount"},
		"no number":  {"input", "cheap", "Input: US dollars for a million tokens wanted"},
		"below zero": {"input", "-1", "Input: US dollars"},
		"too fine":   {"cache_read", "0.0000001", "Read from cache: US dollars"},
	} {
		site := newSite(t, full())
		form := url.Values{"csrf": {site.session.CSRF}, "new": {"1"}, "match": {"m"}, "upstream": {"vendor"}, "input": {"3"}}
		form.Set(c.field, c.value)
		got := site.submit(t, "/admin/prices/edit", form)
		if said := text(got.page.byID("problem")); got.code != http.StatusBadRequest || !strings.Contains(said, c.says) || putIn(site) != nil {
			t.Errorf("%s: %d %s", name, got.code, said)
		}
		if field := got.page.byID("p-" + c.field); attribute(field, "value") != c.value {
			t.Errorf("%s: what was filled in is lost", name)
		}
		checkPage(t, name, got.page, "en")
	}
}

// Whoever has changed prices meanwhile is not overwritten unseen.
func TestPricesThatOthersHaveChanged(t *testing.T) {
	t.Parallel()
	s := full()
	s.refuse = map[string]error{"PutPricesRequest": rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT, "version 6 is not 7").GRPCStatus().Err()}
	for _, path := range []string{"/admin/prices/edit", "/admin/prices/remove", "/admin/prices/apply"} {
		site := newSite(t, s)
		got := site.submit(t, path, url.Values{"csrf": {site.session.CSRF}, "match": {"stays"}, "input": {"3"}, "version": {"6"}, "source": {"tsv"}})
		versions := got.page.all(func(n *html.Node) bool { return attribute(n, "name") == "version" })
		if said := text(got.page.named("main")[0]); got.code != http.StatusConflict || !strings.Contains(said, "Somebody has changed the prices") {
			t.Errorf("%s: %d %s", path, got.code, said)
		}
		if path == "/admin/prices/edit" && (len(versions) != 1 || attribute(versions[0], "value") != "7") {
			t.Error("saving again would fail again")
		}
	}
}

// upload sends a file as the browser does that is logged in.
func (s *site) upload(t *testing.T, format, content string) *answer {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range map[string]string{"csrf": s.session.CSRF, "format": format} {
		_ = form.WriteField(name, value)
	}
	file, _ := form.CreateFormFile("file", "prices.txt")
	_, _ = file.Write([]byte(content))
	_ = form.Close()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admin/prices/import", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.AddCookie(s.session.Cookie(r))
	w := s.send(r)
	return &answer{w.Code, w.Header().Get("Location"), parse(t, w.Body)}
}

const litellm = `{"sample_spec": {}, "new": {"input_cost_per_token_above_200k_tokens": 3e-07, "input_cost_per_token": 1.5e-07, "output_cost_per_token": 2e-06}, "stays": {"input_cost_per_token": 3e-06}, "image": {"mode": "image"}}`

// What an import would do is shown before anything is changed, and is what is applied then.
func TestAnImport(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	got := site.upload(t, "litellm", litellm)
	if got.code != http.StatusOK || putIn(site) != nil {
		t.Fatalf("%d, put %v: %s", got.code, putIn(site), text(got.page.root))
	}
	checkPage(t, "preview", got.page, "en")
	for id, want := range map[string]string{"added": "new from LiteLLM 0.15 2.00", "changed": "stays from LiteLLM 3.00", "dropped": "old from LiteLLM 0.000001", "skipped": "sample_spec", "preview": "Dearer for long prompts, not counted 1"} {
		if said := text(got.page.byID(id)); !strings.Contains(said, want) {
			t.Errorf("%s: %q is not in %s", id, want, said)
		}
	}
	form := url.Values{}
	for _, field := range got.page.all(func(n *html.Node) bool { return n.Data == "input" && attribute(n, "type") == "hidden" }) {
		form.Set(attribute(field, "name"), attribute(field, "value"))
	}
	applied := site.submit(t, "/admin/prices/apply", form)
	want := &tokenstorev1.PutPricesRequest{ExpectedVersion: 7, Prices: []*tokenstorev1.Price{
		setPrices().GetPrices().GetPrices()[0],
		{Match: "new", Input: proto.Uint64(150_000), Output: proto.Uint64(2_000_000), Source: "litellm"},
		{Match: "stays", Input: proto.Uint64(3_000_000), Source: "litellm"},
	}}
	if diff := cmp.Diff(want, putIn(site), protocmp.Transform()); diff != "" || applied.location != "/admin/prices?imported=litellm" {
		t.Errorf("%d to %q: %s", applied.code, applied.location, diff)
	}
	if diff := cmp.Diff([]string{"prices imported"}, site.store.kept); diff != "" {
		t.Error(diff)
	}
}

func TestImportsThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ format, content, says string }{
		"no file":     {"tsv", "", "Choose a file"},
		"no JSON":     {"litellm", "model\tinput", "not a JSON object"},
		"no columns":  {"tsv", "a\tb", "no column `model`"},
		"no format":   {"xml", "<a/>", "there are litellm, models.dev, tsv"},
		"half of one": {"models.dev", `{"openai": {"models"`, "not valid JSON"},
	} {
		site := newSite(t, full())
		got := site.upload(t, c.format, c.content)
		if said := text(got.page.byID("problem")); got.code != http.StatusBadRequest || !strings.Contains(said, c.says) || got.page.byID("i-file") == nil {
			t.Errorf("%s: %d %s", name, got.code, said)
		}
	}
	site := newSite(t, full())
	if got := site.submit(t, "/admin/prices/apply", url.Values{"csrf": {site.session.CSRF}, "source": {"litellm"}, "all": {"?"}}); got.code != http.StatusBadRequest || putIn(site) != nil {
		t.Errorf("what no preview made: %d", got.code)
	}
}

func TestPricesNeedThisSessionsForm(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/admin/prices/edit", "/admin/prices/remove", "/admin/prices/import", "/admin/prices/apply"} {
		site := newSite(t, full())
		form := url.Values{"csrf": {"wrong"}, "match": {"m"}, "input": {"1"}}
		if got := site.submit(t, path, form); got.code != http.StatusForbidden {
			t.Errorf("%s, wrong csrf: %d", path, got.code)
		}
		if w := site.post(t, path, form); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/admin/login?next=%2Fadmin%2Fprices") {
			t.Errorf("%s, without a session: %d", path, w.Code)
		}
		if len(site.store.asked) > 0 {
			t.Errorf("%s: asked %v", path, site.store.asked)
		}
	}
}
