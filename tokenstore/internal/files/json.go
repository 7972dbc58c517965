package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// item is a token in a JSON file: the fields of the admin API that say what a
// token is. Those that only tell its state are read over.
type item struct {
	Token    string   `json:"token"`
	Upstream string   `json:"upstream,omitempty"`
	Alias    *string  `json:"alias,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Cap      *uint32  `json:"cap,omitempty"`
	Weight   *uint32  `json:"weight,omitempty"`
	Enabled  *bool    `json:"enabled,omitempty"`
	// DisabledUntil is when it is enabled by itself; of no meaning once that has come.
	DisabledUntil *time.Time `json:"disabled_until,omitempty"`
	Checksum      string     `json:"checksum,omitempty"`
	// RefreshToken makes a login of it, of which Token is an access token.
	RefreshToken string  `json:"refresh_token,omitempty"`
	Proxy        *string `json:"proxy,omitempty"`
}

// shown are the fields of the admin API that an item may have, and that are not
// read.
var shown = []string{
	"id", "state", "fingerprint", "in_flight", "requests", "failures", "last_used_at", "last_error",
	"cooling_until", "expires_at", "created_at", "version", "kind", "needs_login", "refresh_error", "refreshed_at", "next_refresh_at",
}

// parseJSON reads an array. It is not read as a whole where it has more than maxLines
// elements.
func parseJSON(content string) (entries []Entry, rejected []Rejected, whole bool) {
	decoder := json.NewDecoder(strings.NewReader(content))
	lines := lineCounter{content: content}
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('[') {
		return nil, []Rejected{{Line: 1, Reason: "a JSON array of objects is wanted"}}, true
	}
	for decoder.More() {
		if len(entries)+len(rejected) == maxLines {
			return nil, nil, false
		}
		// More has found the element's first byte; the decoder's own offset is still
		// behind the previous one.
		line := lines.at(decoder.InputOffset())
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return entries, append(rejected, Rejected{Line: line, Reason: "not JSON from here on; nothing after it was read"}), true
		}
		entry, err := parseElement(raw)
		if err != nil {
			rejected = append(rejected, Rejected{Line: line, Reason: oneLine(err)})
			continue
		}
		entry.Line = line
		entries = append(entries, entry)
	}
	line := lines.at(decoder.InputOffset())
	if _, err := decoder.Token(); err != nil {
		return entries, append(rejected, Rejected{Line: line, Reason: "the array does not end: the file is cut"}), true
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return entries, append(rejected, Rejected{Line: lines.at(decoder.InputOffset()), Reason: "there is something behind the array"}), true
	}
	return entries, rejected, true
}

// lineCounter answers the line of ever higher offsets.
type lineCounter struct {
	content string
	offset  int
	line    int // lines ended before offset
}

// at answers the line of the first byte at or after offset that is neither
// space nor comma.
func (c *lineCounter) at(offset int64) int {
	end := int(offset)
	for end < len(c.content) && strings.IndexByte(" \t\r\n,", c.content[end]) >= 0 {
		end++
	}
	c.line += strings.Count(c.content[c.offset:end], "\n")
	c.offset = end
	return c.line + 1
}

// parseElement reads an upstream or a token.
func parseElement(raw json.RawMessage) (Entry, error) {
	var kind struct {
		Driver *string `json:"driver"`
	}
	if json.Unmarshal(raw, &kind) == nil && kind.Driver != nil {
		upstream, err := parseUpstream(raw)
		return Entry{Defines: upstream}, err
	}
	draft, err := parseItem(raw)
	return Entry{Draft: draft}, err
}

// upstreamItem is an upstream in a JSON file. A driver tells it from a token.
type upstreamItem struct {
	Upstream string            `json:"upstream"`
	Driver   string            `json:"driver"`
	BaseURL  string            `json:"base_url"`
	Models   []string          `json:"models,omitempty"`
	Settings map[string]string `json:"settings,omitempty"`
}

func parseUpstream(raw json.RawMessage) (*tokenstorev1.Upstream, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var it upstreamItem
	if decoder.Decode(&it) != nil { // its error may repeat the text
		return nil, errors.New("an upstream has upstream, driver and base_url, texts, and may have models, a list, and settings, an object of texts")
	}
	upstream := &tokenstorev1.Upstream{Name: it.Upstream, Driver: it.Driver, BaseUrl: it.BaseURL, Models: it.Models, Settings: it.Settings}
	if err := token.CheckUpstream(upstream); err != nil {
		return nil, fmt.Errorf("upstream %w", err)
	}
	return upstream, nil
}

func parseItem(raw json.RawMessage) (token.Draft, error) {
	it, isCookie, err := decodeCookie(raw)
	if !isCookie {
		it, err = decodeItem(raw)
	}
	if err != nil {
		return token.Draft{}, err
	}
	pasted, err := token.ParsePasted(it.Token)
	if err != nil {
		return token.Draft{}, err
	}
	draft := token.NewDraft(pasted.Secret)
	draft.Upstream = it.Upstream
	if draft.Upstream != "" {
		if err := token.CheckUpstreamName(draft.Upstream); err != nil {
			return token.Draft{}, fmt.Errorf("upstream %w", err)
		}
	}
	say := func(name string) { draft.Said = append(draft.Said, name) }
	if it.Alias == nil && pasted.Alias != "" {
		it.Alias = &pasted.Alias
	}
	if it.Alias != nil {
		draft.Alias = strings.TrimSpace(*it.Alias)
		say(token.Alias)
	}
	if it.Tags != nil {
		draft.Tags = it.Tags
		say(token.Tags)
	}
	if it.Cap != nil {
		draft.Cap = *it.Cap
		say(token.Cap)
	}
	if it.Weight != nil {
		draft.Weight = *it.Weight
		say(token.Weight)
	}
	if it.Enabled != nil {
		draft.Enabled = *it.Enabled
		say(token.Enabled)
	}
	if it.DisabledUntil != nil && !it.DisabledUntil.IsZero() {
		draft.Enabled, draft.DisabledUntil = false, it.DisabledUntil.Truncate(time.Millisecond)
		say(token.DisabledUntil)
	}
	draft.Checksum = pasted.Checksum
	if it.Checksum != "" {
		if draft.Checksum, err = checksum.Parse(it.Checksum); err != nil {
			return token.Draft{}, err
		}
	}
	if draft.Checksum.DeviceID != "" {
		say(token.Checksum)
	}
	if it.Proxy != nil {
		draft.Proxy = secret.New(strings.TrimSpace(*it.Proxy))
		say(token.Proxy)
	}
	if it.RefreshToken != "" {
		draft.Refresh = secret.New(it.RefreshToken)
		if err := token.CheckSecret(draft.Refresh); err != nil {
			return draft, fmt.Errorf("refresh_token: %w", err)
		}
	}
	return draft, draft.Check()
}

// decodeItem reads an object with known keys. The decoder's own errors may
// repeat the text: they are not passed on.
func decodeItem(raw json.RawMessage) (*item, error) {
	var keys map[string]json.RawMessage
	if json.Unmarshal(raw, &keys) != nil {
		return nil, errors.New("an object is wanted")
	}
	for _, name := range shown {
		delete(keys, name)
	}
	known, err := json.Marshal(keys)
	if err != nil {
		return nil, errors.New("an object is wanted")
	}
	decoder := json.NewDecoder(bytes.NewReader(known))
	decoder.DisallowUnknownFields()
	var it item
	err = decoder.Decode(&it)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return nil, fmt.Errorf("%s has a value of the wrong kind", kind.Field)
	case err != nil:
		return nil, errors.New("there is a field that tokens don't have: token, refresh_token, upstream, alias, tags, cap, weight, enabled, disabled_until, checksum and proxy are known")
	}
	return &it, nil
}

// decodeCookie reads an object of a browser's cookies, as extensions and command-line
// tools write them: name, value and domain, and other members. Of these only the session's
// is a token.
func decodeCookie(raw json.RawMessage) (it *item, isCookie bool, err error) {
	var cookie struct{ Name, Value, Domain *string }
	if json.Unmarshal(raw, &cookie) != nil || cookie.Name == nil || cookie.Value == nil || cookie.Domain == nil {
		return nil, false, nil //nolint:nilerr // it is another form
	}
	if !token.IsCookie(*cookie.Name) {
		return nil, true, errors.New("a cookie with another name; the session is in WorkosCursorSessionToken")
	}
	return &item{Token: *cookie.Value}, true, nil
}

// renderJSON writes an array with an element a line.
func renderJSON(entries []Entry, now time.Time) (string, error) {
	var text bytes.Buffer
	text.WriteByte('[')
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for i, entry := range entries {
		if i > 0 {
			text.Truncate(text.Len() - 1) // the end of the line
			text.WriteByte(',')
		}
		text.WriteByte('\n')
		if err := encoder.Encode(element(entry, now)); err != nil {
			return "", err
		}
	}
	text.WriteString("]\n")
	return text.String(), nil
}

func element(entry Entry, now time.Time) any {
	if upstream := entry.Defines; upstream != nil {
		return upstreamItem{
			Upstream: upstream.GetName(), Driver: upstream.GetDriver(), BaseURL: upstream.GetBaseUrl(), Models: upstream.GetModels(), Settings: upstream.GetSettings(),
		}
	}
	it := item{
		Token: entry.Secret.Reveal(), Upstream: entry.Upstream, Alias: &entry.Alias, Tags: entry.Tags,
		Cap: &entry.Cap, Weight: &entry.Weight, Enabled: &entry.Enabled, RefreshToken: entry.Refresh.Reveal(),
	}
	if !entry.Proxy.Empty() {
		proxy := entry.Proxy.Reveal()
		it.Proxy = &proxy
	}
	if entry.Checksum.DeviceID != "" {
		it.Checksum = entry.Checksum.At(now)
	}
	if !entry.DisabledUntil.IsZero() {
		it.DisabledUntil = new(entry.DisabledUntil.UTC())
	}
	return it
}
