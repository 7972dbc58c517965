package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// keyService has a store answer about client keys.
type keyService struct{ *store }

func (s keyService) CreateKey(_ context.Context, r *tokenstorev1.CreateKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.CreateKeyResponse, error) {
	return ask[*tokenstorev1.CreateKeyResponse](s.store, r)
}

func (s keyService) GetKey(_ context.Context, r *tokenstorev1.GetKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.GetKeyResponse, error) {
	return ask[*tokenstorev1.GetKeyResponse](s.store, r)
}

func (s keyService) ListKeys(_ context.Context, r *tokenstorev1.ListKeysRequest, _ ...grpc.CallOption) (*tokenstorev1.ListKeysResponse, error) {
	return ask[*tokenstorev1.ListKeysResponse](s.store, r)
}

func (s keyService) UpdateKey(_ context.Context, r *tokenstorev1.UpdateKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.UpdateKeyResponse, error) {
	return ask[*tokenstorev1.UpdateKeyResponse](s.store, r)
}

func (s keyService) RotateKey(_ context.Context, r *tokenstorev1.RotateKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.RotateKeyResponse, error) {
	return ask[*tokenstorev1.RotateKeyResponse](s.store, r)
}

func (s keyService) DeleteKey(_ context.Context, r *tokenstorev1.DeleteKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteKeyResponse, error) {
	return ask[*tokenstorev1.DeleteKeyResponse](s.store, r)
}

func (s keyService) RestoreKey(_ context.Context, r *tokenstorev1.RestoreKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.RestoreKeyResponse, error) {
	return ask[*tokenstorev1.RestoreKeyResponse](s.store, r)
}

func (s keyService) ResolveKey(_ context.Context, r *tokenstorev1.ResolveKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.ResolveKeyResponse, error) {
	return ask[*tokenstorev1.ResolveKeyResponse](s.store, r)
}

// usageService has a store answer about use.
type usageService struct{ *store }

func (s usageService) QueryUsage(_ context.Context, r *tokenstorev1.QueryUsageRequest, _ ...grpc.CallOption) (*tokenstorev1.QueryUsageResponse, error) {
	if s.store.crowded && len(r.GetGroup()) > 1 {
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "the answer would have too many rows")
	}
	if s.store.usedBefore != nil && len(r.GetGroup()) == 1 {
		s.store.mu.Lock()
		defer s.store.mu.Unlock()
		s.store.asked = append(s.store.asked, r)
		return s.store.usedBefore, s.store.err
	}
	return ask[*tokenstorev1.QueryUsageResponse](s.store, r)
}

// keyHolder takes one secret, and is slow with whoever shows the other.
func keyHolder(_ *http.Request, secret string) (*caller.Key, error) {
	switch secret {
	case newSecret:
		return &caller.Key{ID: "k1"}, nil
	case "again":
		return nil, &chat.Error{Kind: chat.Unauthenticated, Message: "too many wrong keys", RetryAfter: 1500 * time.Millisecond}
	}
	reason, _ := strings.CutPrefix(secret, "refused-")
	return nil, &chat.Error{Kind: chat.Unauthenticated, Message: "there is no such key", Err: &caller.Refusal{Reason: caller.Reason(reason)}}
}

const newSecret = "sk-carousel-abcdefghijklmnop-0123456789012345678901234567890123456789_-A"

const dollar = 1_000_000_000_000

var (
	minuteLimit = &tokenstorev1.KeyLimit{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, Amount: 60}
	dayBudget   = &tokenstorev1.KeyLimit{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, Amount: 10 * dollar, TimeZone: "Europe/Berlin"}
	hostileKey  = &tokenstorev1.ClientKey{
		Id: "k1", Name: hostile, Tags: []string{hostile, "team"}, Models: []string{hostile, "m*"}, Networks: []string{"10.0.0.0/8"},
		Limits: []*tokenstorev1.KeyLimit{minuteLimit, dayBudget}, MaskedSecret: "sk-carousel-abcd…_-A", Version: 5,
		CreatedAt: moment, UpdatedAt: moment, ExpiresAt: timestamppb.New(time.Now().Add(48 * time.Hour)), OldSecretUntil: timestamppb.New(time.Now().Add(time.Hour)),
	}
	deletedKey = &tokenstorev1.ListedKey{Key: &tokenstorev1.ClientKey{Id: "k2", Name: "gone", UpdatedAt: moment}, DeletedAt: moment}
	standing   = []*tokenstorev1.KeyStanding{
		{Limit: minuteLimit, Used: 57, Reserved: 1, RenewsAt: moment},
		{Limit: dayBudget, Used: 2_500_050_000_000, Reserved: 1_000, RenewsAt: moment},
	}
	useOfKey = []*tokenstorev1.UsageRow{{
		Start: timestamppb.New(time.Now().UTC().Truncate(24 * time.Hour)),
		Sums: &tokenstorev1.UsageSums{
			Requests: 1200, Failures: 3, PromptTokens: 5000, CompletionTokens: 700, ReportedCost: dollar, EstimatedCost: dollar / 2, UnpricedRequests: 4,
		},
	}}
)

// askedFor are the questions of a kind, in their order.
func askedFor[T proto.Message](s *store) (asked []T) {
	for _, request := range s.asked {
		if typed, ok := request.(T); ok {
			asked = append(asked, typed)
		}
	}
	return asked
}

func last[T proto.Message](t *testing.T, s *store) T {
	t.Helper()
	asked := askedFor[T](s)
	if len(asked) == 0 {
		var none T
		t.Fatalf("no %T was asked for: %v", none, s.asked)
	}
	return asked[len(asked)-1]
}

func TestKeysPage(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	page := parse(t, site.get(t, "/admin/keys?q=a&tag=team&state=expired&cursor=c1").Body)
	want := &tokenstorev1.ListKeysRequest{Query: "a", Tag: "team", State: tokenstorev1.KeyState_KEY_STATE_EXPIRED, Limit: 50, Cursor: "c1"}
	if diff := cmp.Diff(want, last[*tokenstorev1.ListKeysRequest](t, site.store), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	row := text(page.byID("key-k1"))
	for _, shown := range []string{hostile, "sk-carousel-abcd…_-A", "Active", "Requests a minute 2 of 60 left", "US dollars a day $7.4999 of $10.00 left", "team"} {
		if !strings.Contains(row, shown) {
			t.Errorf("%q is not in it: %s", shown, row)
		}
	}
	if gone := page.byID("key-k2"); !strings.Contains(text(gone), "Deleted") || !strings.Contains(text(gone), "Restore") {
		t.Errorf("a deleted key: %s", text(gone))
	}
	if said := text(page.byID("keys")); !strings.Contains(said, "Keys: 12,345") || !strings.Contains(said, "Next page") {
		t.Errorf("the total or the next page is missing: %s", said)
	}
	if page := parse(t, site.get(t, "/admin/keys?deleted=k2").Body); attribute(page.byID("key-gone"), "action") != "/admin/keys/k2/restore" {
		t.Error("the deletion can't be undone")
	}
}

func TestKeyPage(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	page := parse(t, site.get(t, "/admin/keys/k1?range=30d&model=m2").Body)
	said := text(page.named("main")[0])
	for _, shown := range []string{
		"Requests a minute 2 of 60 left used: 57 · set aside: 1 · renews", "US dollars a day Europe/Berlin $7.4999 of $10.00 left used: $2.50 · set aside: < $0.0001",
		"10.0.0.0/8", "The old one goes on until", "1,200 requests, 3 failed; 5,000 tokens of prompts, 700 of answers; cost $1.50. 4 requests have no price.",
	} {
		if !strings.Contains(said, shown) {
			t.Errorf("%q is not in it: %s", shown, said)
		}
	}
	asked := last[*tokenstorev1.QueryUsageRequest](t, site.store)
	if asked.GetKeyId() != "k1" || !slices.Equal(asked.GetGroup(), []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_DAY}) {
		t.Errorf("asked %v", asked)
	}
	if length := asked.GetTo().AsTime().Sub(asked.GetFrom().AsTime()); length != 30*24*time.Hour {
		t.Errorf("asked for %s", length)
	}
	for _, id := range []string{"chart-key_requests", "chart-key_tokens", "chart-key_cost", "key-rotate", "key-switch", "key-delete", "key-save"} {
		if page.byID(id) == nil {
			t.Errorf("there is no %s", id)
		}
	}
	if chosen := chosenModel(page); chosen != "m2" {
		t.Errorf("the model is %q", chosen)
	}
	paste := plain(page.byID("paste-curl-chat-0"))
	for _, wanted := range []string{"'http://example.com/v1/chat/completions'", "Bearer YOUR_KEY", `"model": "m2"`} {
		if !strings.Contains(paste, wanted) {
			t.Errorf("%q is not in it: %s", wanted, paste)
		}
	}
	if strings.Contains(said, newSecret) {
		t.Error("the secret is shown")
	}
}

func plain(n *html.Node) string {
	var all strings.Builder
	if n != nil {
		for node := range n.Descendants() {
			if node.Type == html.TextNode {
				all.WriteString(node.Data)
			}
		}
	}
	return all.String()
}

func chosenModel(page document) string {
	for option := range page.byID("connect-model").ChildNodes() {
		if slices.ContainsFunc(option.Attr, func(a html.Attribute) bool { return a.Key == "selected" }) {
			return text(option)
		}
	}
	return ""
}

// The models that are offered are those that the key may use, those first that have tokens.
func TestModelsOfTheConnectPanel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		allowed []string
		want    string
	}{
		"all": {nil, "m1 gpt-4o m2"}, "a pattern": {[]string{"m*"}, "m1 m2"}, "an alias": {[]string{"fast", "gpt-*"}, "gpt-4o fast"}, "what would need quotes": {[]string{"a'b", hostile}, ""},
	} {
		s := full()
		s.answers = slices.Insert(s.answers, 0, proto.Message(&tokenstorev1.GetKeyResponse{Key: &tokenstorev1.ClientKey{Id: "k1", Name: "n", Models: c.allowed}}))
		page := parse(t, newSite(t, s).get(t, "/admin/keys/k1").Body)
		if got := text(page.byID("connect-model")); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
		if first, _, _ := strings.Cut(c.want, " "); first == "" && !strings.Contains(plain(page.byID("paste-curl-chat-0")), "YOUR_MODEL") {
			t.Errorf("%s: no placeholder", name)
		}
	}
}

// keyForm is the form for a key as it is sent from the page.
func (s *site) keyForm(changes ...string) url.Values {
	form := url.Values{
		"csrf": {s.session.CSRF}, "version": {"5"}, "name": {" CI "}, "tags": {"a, b,"}, "expiry": {"never"}, "expiry_date": {""},
		"requests": {"60"}, "tokens": {""}, "parallel": {"4"}, "models": {"gpt-*\r\n\r\nfast"}, "networks": {"10.1.2.3\n2001:db8::/32"}, "scopes": {"pool:write", "all"},
		"amount": {"10.50", "", "1000"}, "unit": {"usd", "usd", "tokens"}, "period": {"month", "month", "total"}, "time_zone": {"Europe/Berlin", "", ""},
	}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return form
}

func TestAKeyIsCreated(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admin/keys/new", strings.NewReader(site.keyForm().Encode()))
	r.AddCookie(site.session.Cookie(r))
	w := site.send(r, "Content-Type", "application/x-www-form-urlencoded")
	got := last[*tokenstorev1.CreateKeyRequest](t, site.store).GetKey()
	want := &tokenstorev1.ClientKey{
		Name: "CI", Tags: []string{"a", "b"}, Models: []string{"gpt-*", "fast"}, Networks: []string{"10.1.2.3", "2001:db8::/32"}, Scopes: []string{"pool:write"},
		Limits: []*tokenstorev1.KeyLimit{
			minuteLimit,
			{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, Amount: 4},
			{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, Amount: 10_500_000_000_000, TimeZone: "Europe/Berlin"},
			{Unit: tokenstorev1.KeyUnit_KEY_UNIT_TOKENS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, Amount: 1000},
		},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d, Cache-Control %q", w.Code, w.Header().Get("Cache-Control"))
	}
	page := parse(t, w.Body)
	checkPage(t, "a new key", page, "en")
	if secret := page.byID("secret"); plain(secret) != newSecret || attribute(secret, "data-address") != "/admin/keys/k1" {
		t.Errorf("the secret is %q", plain(secret))
	}
	if paste := plain(page.byID("paste-claude-code-0")); !strings.Contains(paste, "ANTHROPIC_AUTH_TOKEN='"+newSecret+"'") {
		t.Errorf("to paste: %s", paste)
	}
	if !slices.Contains(site.store.kept, "key created") {
		t.Errorf("the audit log has %v", site.store.kept)
	}
	if logged := site.store.access.String(); strings.Contains(logged, newSecret) || logged == "" {
		t.Errorf("the access log has the secret, or nothing: %s", logged)
	}
}

func TestEndsOfAKey(t *testing.T) {
	t.Parallel()
	stored := time.Date(2027, 3, 1, 10, 0, 0, 0, time.UTC)
	tomorrow := time.Now().UTC().Add(24 * time.Hour).Format(time.DateOnly)
	for name, c := range map[string]struct {
		expiry, date string
		want         func(time.Time) bool
	}{
		"never":    {"never", "", time.Time.IsZero},
		"as it is": {"keep", "", stored.Equal},
		"in days":  {"7", "", func(at time.Time) bool { return time.Until(at) > 167*time.Hour && time.Until(at) <= 168*time.Hour }},
		"a date": {"date", tomorrow, func(at time.Time) bool {
			return at.Add(-24*time.Hour).Format(time.DateOnly) == tomorrow && at.Hour() == 0
		}},
	} {
		site := newSite(t, full())
		if got := site.submit(t, "/admin/keys/k1", site.keyForm("expiry", c.expiry, "expiry_date", c.date, "expires_at", stored.Format(time.RFC3339))); got.code != 303 {
			t.Errorf("%s: %d", name, got.code)
			continue
		}
		var at time.Time
		if end := last[*tokenstorev1.UpdateKeyRequest](t, site.store).GetKey().GetExpiresAt(); end != nil {
			at = end.AsTime()
		}
		if !c.want(at) {
			t.Errorf("%s: %s", name, at)
		}
	}
}

func TestAKeyThatIsFilledInWrong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 201)
	for name, c := range map[string]struct{ field, value, at, says string }{
		"no name":         {"name", " ", "k-name", "1 to 100"},
		"a long name":     {"name", long, "k-name", "1 to 100"},
		"a control":       {"name", "a\x07b", "k-name", "1 to 100"},
		"a long tag":      {"tags", "a," + long, "k-tags", "64"},
		"many tags":       {"tags", strings.Repeat("a,", 17), "k-tags", "At most 16"},
		"two stars":       {"models", "a*b*", "k-models", "a*b*"},
		"a long model":    {"models", long, "k-models", "200"},
		"no network":      {"networks", "10.0.0.0/33", "k-networks", "10.0.0.0/33"},
		"a zone":          {"networks", "fe80::1%eth0", "k-networks", "fe80::1%eth0"},
		"no date":         {"expiry", "date", "k-expiry", "last day"},
		"days":            {"expiry", "-1", "k-expiry", "last day"},
		"no count":        {"requests", "many", "k-requests", "whole number"},
		"zero":            {"parallel", "0", "k-parallel", "whole number"},
		"an amount":       {"amount", "-1", "k-amount-1", "10.50"},
		"a time zone":     {"time_zone", "Mars", "k-zone-1", "Europe/Berlin"},
		"too many tokens": {"tokens", "9000000000000000001", "k-tokens", "whole number"},
	} {
		for path, method := range map[string]string{"/admin/keys/new": "CreateKeyRequest", "/admin/keys/k1": "UpdateKeyRequest"} {
			site := newSite(t, full())
			got := site.submit(t, path, site.keyForm(c.field, c.value))
			problem := text(got.page.byID(c.at + "-problem"))
			field := got.page.byID(c.at)
			if got.code != 400 || !strings.Contains(problem, c.says) || attribute(field, "aria-invalid") != "true" || !strings.Contains(attribute(field, "aria-describedby"), c.at+"-problem") {
				t.Errorf("%s, %s: %d %q %v", name, path, got.code, problem, field)
			}
			if said := text(got.page.byID("problem")); !strings.Contains(said, "another look") {
				t.Errorf("%s: said %q", name, said)
			}
			for _, request := range site.store.asked {
				if string(request.ProtoReflect().Descriptor().Name()) == method {
					t.Errorf("%s: the store was asked", name)
				}
			}
		}
	}
}

func TestBudgetsOfOneKind(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	form := site.keyForm()
	form["amount"], form["unit"], form["period"], form["time_zone"] = []string{"1", "2", "3"}, []string{"usd", "usd", "usd"}, []string{"day", "day", "total"}, []string{"", "", "UTC"}
	got := site.submit(t, "/admin/keys/new", form)
	if twice := text(got.page.byID("k-amount-2-problem")); got.code != 400 || !strings.Contains(twice, "another budget") {
		t.Errorf("%d %q", got.code, twice)
	}
	if zone := text(got.page.byID("k-zone-3-problem")); !strings.Contains(zone, "no time zone") {
		t.Errorf("%q", zone)
	}
}

// Without a script, too, there are lines for as many budgets as somebody wants, and nothing that
// was filled in is lost.
func TestMoreBudgets(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/admin/keys/new", "/admin/keys/k1"} {
		site := newSite(t, full())
		got := site.submit(t, path, site.keyForm("more", "1", "name", "x"))
		lines := got.page.all(func(n *html.Node) bool { return attribute(n, "name") == "amount" })
		if got.code != 200 || len(lines) != 4 || attribute(got.page.byID("k-amount-2"), "value") != "1000" || attribute(got.page.byID("k-name"), "value") != "x" {
			t.Errorf("%s: %d with %d lines", path, got.code, len(lines))
		}
		if got.page.byID("problem") != nil {
			t.Errorf("%s: a problem is shown", path)
		}
	}
}

func TestAKeyIsChanged(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	if got := site.submit(t, "/admin/keys/k1", site.keyForm()); got.code != 303 || got.location != "/admin/keys/k1?done=saved" {
		t.Errorf("%d to %q", got.code, got.location)
	}
	asked := last[*tokenstorev1.UpdateKeyRequest](t, site.store)
	if asked.GetExpectedVersion() != 5 || asked.GetKey().GetId() != "k1" || len(asked.GetKey().GetLimits()) != 4 {
		t.Errorf("asked %v", asked)
	}
	if diff := cmp.Diff([]string{"name", "tags", "expires_at", "models", "networks", "limits", "scopes"}, asked.GetUpdateMask().GetPaths()); diff != "" {
		t.Error(diff)
	}
	for action, want := range map[string]struct {
		form    url.Values
		request proto.Message
		to      string
		noted   string
	}{
		"switch": {
			url.Values{"disabled": {"true"}},
			&tokenstorev1.UpdateKeyRequest{Key: &tokenstorev1.ClientKey{Id: "k1", Disabled: true}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"disabled"}}, ExpectedVersion: 5},
			"/admin/keys/k1?done=disabled", "key disabled",
		},
		"delete":  {url.Values{"version": {"5"}}, &tokenstorev1.DeleteKeyRequest{Id: "k1", ExpectedVersion: 5}, "/admin/keys?deleted=k1", "key deleted"},
		"restore": {url.Values{}, &tokenstorev1.RestoreKeyRequest{Id: "k1"}, "/admin/keys/k1?done=restored", "key restored"},
	} {
		site := newSite(t, full())
		want.form.Set("csrf", site.session.CSRF)
		if got := site.submit(t, "/admin/keys/k1/"+action, want.form); got.code != 303 || got.location != want.to {
			t.Errorf("%s: %d to %q", action, got.code, got.location)
		}
		if diff := cmp.Diff(want.request, site.store.asked[len(site.store.asked)-1], protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", action, diff)
		}
		if !slices.Equal(site.store.kept, []string{want.noted}) {
			t.Errorf("%s: noted %v", action, site.store.kept)
		}
	}
}

// Whoever has changed, disabled or deleted a key, or made one, can take that back.
func TestChangesOfKeysCanBeUndone(t *testing.T) {
	t.Parallel()
	changed := proto.CloneOf(hostileKey)
	changed.Disabled = true
	for path, want := range map[string]*tokenstorev1.FormerKey{
		"/admin/keys/new":       {Id: "k1", Became: hostileKey},
		"/admin/keys/k1":        {Id: "k1", Key: hostileKey, Became: changed},
		"/admin/keys/k1/switch": {Id: "k1", Key: hostileKey, Became: changed},
		"/admin/keys/k1/delete": {Id: "k1", Key: hostileKey},
	} {
		s := full()
		s.answers = slices.Insert(s.answers, 0, proto.Message(&tokenstorev1.UpdateKeyResponse{Key: changed}))
		site := newSite(t, s)
		site.submit(t, path, site.keyForm("disabled", "true"))
		if diff := cmp.Diff([]*tokenstorev1.AuditUndo{{Keys: []*tokenstorev1.FormerKey{want}}}, s.undos, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestAKeyIsRotated(t *testing.T) {
	t.Parallel()
	for keep, want := range map[string]*durationpb.Duration{"now": nil, "24h": durationpb.New(24 * time.Hour), "1000h": nil} {
		site := newSite(t, full())
		got := site.submit(t, "/admin/keys/k1/rotate", url.Values{"csrf": {site.session.CSRF}, "keep": {keep}, "version": {"5"}})
		if got.code != 200 || plain(got.page.byID("secret")) != newSecret {
			t.Errorf("%s: %d %q", keep, got.code, plain(got.page.byID("secret")))
		}
		asked := last[*tokenstorev1.RotateKeyRequest](t, site.store)
		if noted := site.store.details["keep_old_for"]; noted != want.AsDuration().String() {
			t.Errorf("%s: the audit log has %q", keep, noted)
		}
		if diff := cmp.Diff(&tokenstorev1.RotateKeyRequest{Id: "k1", KeepOldFor: want, ExpectedVersion: 5}, asked, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", keep, diff)
		}
	}
}

func TestAKeyThatOthersHaveChanged(t *testing.T) {
	t.Parallel()
	s := full()
	s.refuse = map[string]error{"UpdateKeyRequest": rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT, "it has changed").GRPCStatus().Err()}
	site := newSite(t, s)
	got := site.submit(t, "/admin/keys/k1", site.keyForm("version", "3", "name", "mine"))
	versions := got.page.all(func(n *html.Node) bool {
		return attribute(n, "name") == "version" && attribute(n, "value") == "5"
	})
	if said := text(got.page.byID("problem")); got.code != 409 || !strings.Contains(said, "Somebody has changed") || len(versions) != 3 {
		t.Errorf("%d %q, %d forms of the version that is stored", got.code, said, len(versions))
	}
	if name := attribute(got.page.byID("k-name"), "value"); name != "mine" {
		t.Errorf("what was filled in is lost: %q", name)
	}
}

func TestAKeyThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := full()
	gone := rpcerr.New(tokenstorev1.Reason_REASON_KEY_NOT_FOUND, "there is no key k1").GRPCStatus().Err()
	s.refuse = map[string]error{"GetKeyRequest": gone, "UpdateKeyRequest": gone, "RotateKeyRequest": gone, "DeleteKeyRequest": gone, "RestoreKeyRequest": gone}
	site := newSite(t, s)
	if w := site.get(t, "/admin/keys/k1"); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
	for _, path := range []string{"", "/rotate", "/switch", "/delete", "/restore"} {
		if got := site.submit(t, "/admin/keys/k1"+path, site.keyForm()); got.code != 404 || !strings.Contains(text(got.page.named("main")[0]), "There is no key k1.") {
			t.Errorf("%s: %d %s", path, got.code, text(got.page.named("main")[0]))
		}
	}
}

func TestKeysNeedThisSessionsForm(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"new", "k1", "k1/rotate", "k1/switch", "k1/delete", "k1/restore"} {
		site := newSite(t, full())
		form := site.keyForm("csrf", "wrong")
		if got := site.submit(t, "/admin/keys/"+path, form); got.code != http.StatusForbidden {
			t.Errorf("%s, wrong csrf: %d", path, got.code)
		}
		if w := site.post(t, "/admin/keys/"+path, form); w.Code != 303 || w.Header().Get("Location") != "/admin/login?next=%2Fadmin%2Fkeys" {
			t.Errorf("%s, without a session: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
		if len(site.store.asked) > 0 {
			t.Errorf("%s: asked %v", path, site.store.asked)
		}
	}
}

func TestHolderOfAKey(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "zh"} {
		site := newSite(t, full())
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/key", nil)
		w := site.send(r, "Accept-Language", lang)
		if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		checkPage(t, "the form", parse(t, w.Body), lang)
		w = site.post(t, "/key", url.Values{"key": {" " + newSecret + " "}, "range": {"30d"}}, "Accept-Language", lang)
		body := w.Body.String()
		page := parse(t, strings.NewReader(body))
		checkPage(t, "a holder's page", page, lang)
		if w.Code != 200 || strings.Contains(body, newSecret) || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%d, a cookie %q, or the key is in the page", w.Code, w.Header().Get("Set-Cookie"))
		}
		if strings.Contains(body, `href="/admin/`) && strings.Contains(text(page.named("body")[0]), "Upstreams") || len(page.named("nav")) > 0 {
			t.Error("the admin's navigation is in it")
		}
		for _, id := range []string{"limits-title", "chart-key_cost", "paste-curl-chat-0"} {
			if page.byID(id) == nil {
				t.Errorf("there is no %s", id)
			}
		}
		if asked := last[*tokenstorev1.QueryUsageRequest](t, site.store); asked.GetKeyId() != "k1" {
			t.Errorf("asked %v", asked)
		}
		if strings.Contains(text(page.named("main")[0]), "team") {
			t.Error("the admin's tags are shown")
		}
	}
}

func TestKeysThatAreNotTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key     string
		headers []string
		status  int
		says    string
	}{
		"none":         {"", nil, 422, "Enter a key."},
		"another one":  {"sk-wrong", nil, 401, "There is no such key."},
		"a wrong one":  {"refused-wrong", nil, 401, "no client key has this secret"},
		"disabled":     {"refused-disabled", nil, 401, "disabled"},
		"expired":      {"refused-expired", []string{"Accept-Language", "zh"}, 401, "已过期"},
		"replaced":     {"refused-replaced", nil, 401, "another secret"},
		"a network":    {"refused-network", []string{"Accept-Language", "zh"}, 401, "地址"},
		"many":         {"again", nil, 429, "2"},
		"another site": {newSecret, []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
	} {
		site := newSite(t, full())
		w := site.post(t, "/key", url.Values{"key": {c.key}}, c.headers...)
		page := parse(t, w.Body)
		if said := text(page.byID("problem")); w.Code != c.status || !strings.Contains(said, c.says) || page.byID("key") == nil {
			t.Errorf("%s: %d %q", name, w.Code, said)
		}
		if wait := w.Header().Get("Retry-After"); (c.status == 429) != (wait == "2") {
			t.Errorf("%s: Retry-After %q", name, wait)
		}
		if len(site.store.asked) > 0 {
			t.Errorf("%s: asked %v", name, site.store.asked)
		}
	}
}
