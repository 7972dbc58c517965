package adminapi_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// change is ask for what changes a key: the answers after it, which are looks, leave it to be seen.
func change[T proto.Message](ctx context.Context, s *store, request proto.Message) (T, error) {
	if s.refusals--; s.refusals >= 0 {
		var none T
		return none, s.refusal
	}
	s.changed = request
	return ask[T](ctx, s, request)
}

func (s *store) CreateKey(ctx context.Context, r *tokenstorev1.CreateKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.CreateKeyResponse, error) {
	return change[*tokenstorev1.CreateKeyResponse](ctx, s, r)
}

func (s *store) GetKey(ctx context.Context, r *tokenstorev1.GetKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.GetKeyResponse, error) {
	return ask[*tokenstorev1.GetKeyResponse](ctx, s, r)
}

func (s *store) ListKeys(ctx context.Context, r *tokenstorev1.ListKeysRequest, _ ...grpc.CallOption) (*tokenstorev1.ListKeysResponse, error) {
	s.keyPages++
	return ask[*tokenstorev1.ListKeysResponse](ctx, s, r)
}

func (s *store) UpdateKey(ctx context.Context, r *tokenstorev1.UpdateKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.UpdateKeyResponse, error) {
	return change[*tokenstorev1.UpdateKeyResponse](ctx, s, r)
}

func (s *store) RotateKey(ctx context.Context, r *tokenstorev1.RotateKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.RotateKeyResponse, error) {
	return change[*tokenstorev1.RotateKeyResponse](ctx, s, r)
}

func (s *store) DeleteKey(ctx context.Context, r *tokenstorev1.DeleteKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteKeyResponse, error) {
	return change[*tokenstorev1.DeleteKeyResponse](ctx, s, r)
}

func (s *store) RestoreKey(ctx context.Context, r *tokenstorev1.RestoreKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.RestoreKeyResponse, error) {
	return change[*tokenstorev1.RestoreKeyResponse](ctx, s, r)
}

const ciSecret = "sk-carousel-k1-the-secret"

var (
	perMinute = keyLimit(tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, 60, "")
	aMonth    = keyLimit(tokenstorev1.KeyUnit_KEY_UNIT_USD, tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, 10_000_000_000_000, "Europe/Berlin")
	ciKey     = &tokenstorev1.ClientKey{
		Id: "k1", Name: "CI", Tags: []string{"team"}, Limits: []*tokenstorev1.KeyLimit{perMinute, aMonth}, MaskedSecret: "sk-carousel-k1-…cret",
		CreatedAt: moment, UpdatedAt: moment, Version: 3,
	}
	ciStanding    = []*tokenstorev1.KeyStanding{{Limit: perMinute, Used: 10, Reserved: 1}, {Limit: aMonth, RenewsAt: moment}}
	clientKeyKeys = []string{
		"budgets", "created_at", "deleted_at", "expires_at", "id", "left", "limits", "masked_secret", "models", "name", "networks",
		"old_secret_until", "scopes", "state", "tags", "updated_at", "version",
	}
)

func keyLimit(unit tokenstorev1.KeyUnit, period tokenstorev1.KeyPeriod, amount uint64, zone string) *tokenstorev1.KeyLimit {
	return &tokenstorev1.KeyLimit{Unit: unit, Period: period, Amount: amount, TimeZone: zone}
}

const ciObject = `{"id":"k1","name":"CI","tags":["team"],"state":"active","expires_at":null,"models":[],"networks":[],"scopes":[],"limits":{"requests_per_minute":60},` +
	`"budgets":[{"unit":"usd","amount":"10.00","period":"month","time_zone":"Europe/Berlin"}],"masked_secret":"sk-carousel-k1-…cret",` +
	`"created_at":"2026-01-31T12:00:00Z","updated_at":"2026-01-31T12:00:00Z","old_secret_until":null,"deleted_at":null,"version":3,"left":[` +
	`{"limit":"requests_per_minute","unit":"requests","period":"minute","amount":"60","used":"10","reserved":"1","left":"49","renews_at":null},` +
	`{"limit":"budget","unit":"usd","period":"month","amount":"10.00","used":"0.00","reserved":"0.00","left":"10.00","renews_at":"2026-01-31T12:00:00Z"}]}`

func TestKeyObjects(t *testing.T) {
	t.Parallel()
	withSecret := `{"key":` + ciObject + `,"secret":"` + ciSecret + `"}`
	deleted := strings.NewReplacer(`"active"`, `"deleted"`, `"deleted_at":null`, `"deleted_at":"2026-01-31T12:00:00Z"`).Replace(ciObject)
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/admin/api/keys", "", `{"keys":[` + deleted + `],"next":"n","total":7}`},
		{"POST", "/admin/api/keys", `{"name":"CI"}`, withSecret},
		{"GET", "/admin/api/keys/k1", "", ciObject},
		{"PATCH", "/admin/api/keys/k1", `{"name":"CI"}`, ciObject},
		{"POST", "/admin/api/keys/k1/rotate", `{"keep_old_for":"24h"}`, withSecret},
		{"POST", "/admin/api/keys/k1/restore", "", ciObject},
	} {
		s := newStore()
		w := send(t, s, c.method, c.path, key, c.body)
		if got := w.Body.String(); got != c.want {
			t.Errorf("%s %s: got\n%s, want\n%s", c.method, c.path, got, c.want)
		}
		if etag := w.Header().Get("ETag"); etag != `"3"` && (c.method != "GET" || c.path != "/admin/api/keys") {
			t.Errorf("%s %s: ETag %s", c.method, c.path, etag)
		}
		if text, _ := json.Marshal(s.kept); strings.Contains(w.log+string(text), ciSecret) {
			t.Errorf("%s %s: the secret is in the log", c.method, c.path)
		}
	}
	if w := send(t, newStore(), "POST", "/admin/api/keys", key, `{"name":"CI"}`); w.Header().Get("Location") != "/admin/api/keys/k1" {
		t.Errorf("Location %s", w.Header().Get("Location"))
	}
}

func TestWhatKeysAreSaidToBe(t *testing.T) {
	t.Parallel()
	full := &tokenstorev1.ClientKey{
		Name: "n", Tags: []string{"a"}, Models: []string{"gpt-*"}, Networks: []string{"10.0.0.0/8"}, Scopes: []string{"pool:read"}, Disabled: true, ExpiresAt: moment,
		Limits: []*tokenstorev1.KeyLimit{
			keyLimit(tokenstorev1.KeyUnit_KEY_UNIT_TOKENS, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, 1000, ""),
			keyLimit(tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, 2, ""),
			keyLimit(tokenstorev1.KeyUnit_KEY_UNIT_USD, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 1_500_000_000_000, ""),
		},
	}
	update := func(version uint64, change func(*tokenstorev1.ClientKey), mask ...string) *tokenstorev1.UpdateKeyRequest {
		said := proto.CloneOf(ciKey)
		change(said)
		return &tokenstorev1.UpdateKeyRequest{Key: said, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask}, ExpectedVersion: version}
	}
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		want               proto.Message
	}{
		"create": {
			"POST", "/admin/api/keys", `{"name":"n","tags":["a"],"models":["gpt-*"],"networks":["10.0.0.0/8"],"scopes":["pool:read"],"disabled":true,"expires_at":"2026-01-31T13:00:00+01:00",` +
				`"limits":{"tokens_per_minute":1000,"parallel":2,"requests_per_minute":null},"budgets":[{"unit":"usd","amount":"1.5","period":"total"}]}`, nil,
			&tokenstorev1.CreateKeyRequest{Key: full},
		},
		"list": {
			"GET", "/admin/api/keys?q=x&tag=t&state=deleted&limit=3&cursor=c", "", nil,
			&tokenstorev1.ListKeysRequest{Query: "x", Tag: "t", State: tokenstorev1.KeyState_KEY_STATE_DELETED, Limit: 3, Cursor: "c"},
		},
		"a name, by the version that was seen": {
			"PATCH", "/admin/api/keys/k1", `{"name":"x"}`,
			[]string{"If-Match", `"2"`},
			update(2, func(k *tokenstorev1.ClientKey) { k.Name = "x" }, "name"),
		},
		"lists are emptied": {
			"PATCH", "/admin/api/keys/k1", `{"tags":null,"models":null,"networks":[],"scopes":null,"expires_at":null}`, nil,
			update(3, func(k *tokenstorev1.ClientKey) { k.Tags = nil }, "expires_at", "models", "networks", "scopes", "tags"),
		},
		"one limit beside the others": {
			"PATCH", "/admin/api/keys/k1", `{"limits":{"parallel":4}}`, nil,
			update(3, func(k *tokenstorev1.ClientKey) {
				four := keyLimit(tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, 4, "")
				k.Limits = []*tokenstorev1.KeyLimit{perMinute, four, aMonth}
			}, "limits"),
		},
		"one limit is taken away": {
			"PATCH", "/admin/api/keys/k1", `{"limits":{"requests_per_minute":null}}`, nil,
			update(3, func(k *tokenstorev1.ClientKey) { k.Limits = []*tokenstorev1.KeyLimit{aMonth} }, "limits"),
		},
		"all limits are": {
			"PATCH", "/admin/api/keys/k1", `{"limits":null}`, nil,
			update(3, func(k *tokenstorev1.ClientKey) { k.Limits = []*tokenstorev1.KeyLimit{aMonth} }, "limits"),
		},
		"other budgets": {
			"PATCH", "/admin/api/keys/k1", `{"budgets":null,"limits":{}}`, nil,
			update(3, func(k *tokenstorev1.ClientKey) { k.Limits = []*tokenstorev1.KeyLimit{perMinute} }, "limits"),
		},
		"rotate": {
			"POST", "/admin/api/keys/k1/rotate", `{"keep_old_for":"24h"}`,
			[]string{"If-Match", `"3"`},
			&tokenstorev1.RotateKeyRequest{Id: "k1", KeepOldFor: durationpb.New(24 * time.Hour), ExpectedVersion: 3},
		},
		"rotate at once":    {"POST", "/admin/api/keys/k1/rotate", "", nil, &tokenstorev1.RotateKeyRequest{Id: "k1"}},
		"rotate, by object": {"POST", "/admin/api/keys/k1/rotate", "{}", nil, &tokenstorev1.RotateKeyRequest{Id: "k1"}},
		"restore":           {"POST", "/admin/api/keys/k1/restore", "", nil, &tokenstorev1.RestoreKeyRequest{Id: "k1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			w := send(t, s, c.method, c.path, key, c.body, c.headers...)
			if w.Code >= 300 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			got := s.changed
			if got == nil {
				got = s.asked
			}
			if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKeyBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ method, path, body, param, says string }{
		"an unknown field":     {"POST", "/admin/api/keys", `{"name":"n","budget":[]}`, "budget", "no such field"},
		"no name but null":     {"POST", "/admin/api/keys", `{"name":null}`, "name", "not null"},
		"nothing":              {"POST", "/admin/api/keys", `{}`, "", "names no field"},
		"tags as a text":       {"PATCH", "/admin/api/keys/k1", `{"tags":"a,b"}`, "tags", "a list of strings"},
		"no time":              {"PATCH", "/admin/api/keys/k1", `{"expires_at":"tomorrow"}`, "expires_at", "2026-01-31"},
		"no such limit":        {"PATCH", "/admin/api/keys/k1", `{"limits":{"rpm":1}}`, "limits.rpm", "parallel, requests_per_minute, tokens_per_minute"},
		"a limit as a text":    {"PATCH", "/admin/api/keys/k1", `{"limits":{"parallel":"4"}}`, "limits.parallel", "a whole number"},
		"a limit of nothing":   {"PATCH", "/admin/api/keys/k1", `{"limits":{"parallel":0}}`, "limits.parallel", "from 1"},
		"limits as a list":     {"PATCH", "/admin/api/keys/k1", `{"limits":[]}`, "limits", "an object"},
		"a budget's field":     {"PATCH", "/admin/api/keys/k1", `{"budgets":[{"currency":"usd"}]}`, "currency", "no such field"},
		"an amount as number":  {"PATCH", "/admin/api/keys/k1", `{"budgets":[{"unit":"usd","amount":1,"period":"day"}]}`, "budgets.amount", "a string"},
		"an amount of nothing": {"PATCH", "/admin/api/keys/k1", `{"budgets":[{"unit":"usd","amount":"0","period":"day"}]}`, "budgets[0].amount", "more than 0"},
		"budgets as an object": {"PATCH", "/admin/api/keys/k1", `{"budgets":{}}`, "budgets", "a list"},
		"another state":        {"GET", "/admin/api/keys?state=ready", "", "state", "active, deleted, disabled, expired"},
		"another parameter":    {"GET", "/admin/api/keys?name=x", "", "name", "no such parameter"},
		"no length of time":    {"POST", "/admin/api/keys/k1/rotate", `{"keep_old_for":"a day"}`, "keep_old_for", "24h"},
		"one before now":       {"POST", "/admin/api/keys/k1/rotate", `{"keep_old_for":"-1h"}`, "keep_old_for", "24h"},
		"rotate what":          {"POST", "/admin/api/keys/k1/rotate", `{"keep":"1h"}`, "keep", "no such field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			w := send(t, s, c.method, c.path, key, c.body)
			_, message, param := errorCode(t, w.Body.Bytes())
			if param == nil {
				param = ""
			}
			if w.Code != 400 || param != c.param || !strings.Contains(message, c.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if s.changed != nil || len(s.kept) > 0 {
				t.Error("something was changed")
			}
		})
	}
}

// Without If-Match the last writer wins: a change that came between is read, and kept.
func TestAKeyThatOthersChange(t *testing.T) {
	t.Parallel()
	conflict := rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT, "because").GRPCStatus().Err()
	for name, c := range map[string]struct {
		conflicts int
		header    []string
		status    int
	}{
		"once":             {1, nil, 200},
		"all the time":     {100, nil, 412},
		"a version wanted": {1, []string{"If-Match", `"3"`}, 412},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			s.refusals, s.refusal = c.conflicts, conflict
			w := send(t, s, "PATCH", "/admin/api/keys/k1", key, `{"limits":{"parallel":4}}`, c.header...)
			if w.Code != c.status || (len(s.kept) == 1) != (c.status == 200) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// A change of a key is kept with what it was and what it became, and undone unless somebody has
// changed it since.
func TestAKeyIsTakenBack(t *testing.T) {
	t.Parallel()
	other := &tokenstorev1.ClientKey{Id: "k1", Name: "other", Version: 2}
	rotated := proto.CloneOf(ciKey)
	rotated.MaskedSecret, rotated.Version = "sk-…", 9
	for name, c := range map[string]struct {
		before, became, now *tokenstorev1.ClientKey
		changed             proto.Message
		says                string
	}{
		"changed": {other, ciKey, ciKey, &tokenstorev1.UpdateKeyRequest{
			Key: other, ExpectedVersion: 3,
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name", "tags", "disabled", "expires_at", "models", "networks", "limits", "scopes"}},
		}, `"undone":1`},
		"created":          {nil, ciKey, ciKey, &tokenstorev1.DeleteKeyRequest{Id: "k1", ExpectedVersion: 3}, `"undone":1`},
		"created, rotated": {nil, ciKey, rotated, &tokenstorev1.DeleteKeyRequest{Id: "k1", ExpectedVersion: 9}, `"undone":1`},
		"deleted":          {ciKey, nil, ciKey, &tokenstorev1.RestoreKeyRequest{Id: "k1"}, `"undone":1`},
		"changed again":    {other, ciKey, other, nil, `{"what":"key k1","reason":"it has been changed since"}`},
		"as it was before": {ciKey, ciKey, ciKey, nil, "changed since"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			s.answers = append([]proto.Message{&tokenstorev1.GetKeyResponse{Key: c.now}, &tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{{
				Keys: []*tokenstorev1.FormerKey{{Id: "k1", Key: c.before, Became: c.became}},
			}}}}, s.answers...)
			w := send(t, s, "POST", "/admin/api/audit/r1/undo", key, "")
			if w.Code != 200 || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if diff := cmp.Diff(c.changed, s.changed, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChangesOfKeysCanBeUndone(t *testing.T) {
	t.Parallel()
	s := newStore()
	send(t, s, "POST", "/admin/api/keys", key, `{"name":"CI"}`)
	send(t, s, "PATCH", "/admin/api/keys/k1", key, `{"name":"CI"}`)
	send(t, s, "DELETE", "/admin/api/keys/k1", key, "")
	send(t, s, "POST", "/admin/api/keys/k1/rotate", key, "")
	var undo []*tokenstorev1.FormerKey
	for _, entry := range s.kept {
		undo = append(undo, entry.GetUndo().GetKeys()...)
	}
	want := []*tokenstorev1.FormerKey{{Id: "k1", Became: ciKey}, {Id: "k1", Key: ciKey, Became: ciKey}, {Id: "k1", Key: ciKey}}
	if diff := cmp.Diff(want, undo, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}
