package backup_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/backup"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// newStore makes a prepared store with a Redis and a seal key of its own.
func newStore(t *testing.T, fill byte) *redisstore.Store {
	t.Helper()
	return newStoreOn(t, testredis.Start(t), fill)
}

func newStoreOn(t *testing.T, client redis.UniversalClient, fill byte) *redisstore.Store {
	t.Helper()
	keys, err := seal.Parse([]byte("k1 " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))))
	if err != nil {
		t.Fatal(err)
	}
	store := redisstore.New(client, redisstore.Options{Keys: keys, Defaults: token.DefaultSettings(), Logger: slog.New(slog.DiscardHandler)})
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

// must returns a value, or fails.
func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// jwt is an access token of an account, which ends at a time.
func jwt(subject string, expires time.Time) string {
	claims := fmt.Sprintf(`{"sub":%q,"exp":%d}`, subject, expires.Unix())
	return "h." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s"
}

func draft(upstream, value string) token.Draft {
	d := token.NewDraft(secret.New(value))
	d.Upstream = upstream
	return d
}

// filled is a store with something of everything, and the secrets of its client key: the present
// one and the one before.
func filled(t *testing.T) (store *redisstore.Store, present, former secret.Value) {
	t.Helper()
	store, ctx := newStore(t, 'a'), t.Context()
	for _, each := range []*tokenstorev1.Upstream{
		{Name: "cursor", Driver: "cursor", BaseUrl: "https://cursor.example", Settings: map[string]string{"proxy": "socks5://anna:hush@proxy.example:1080"}},
		{Name: "openai", Driver: "openai", BaseUrl: "https://openai.example/v1", Models: []string{"m1", "m2"}},
	} {
		must[*tokenstorev1.Upstream](t)(store.PutUpstream(ctx, each, 0))
	}
	login := draft("cursor", jwt("anna", time.Now().Add(time.Hour)))
	login.Refresh, login.Alias = secret.New("refresh-1"), "work"
	plain := draft("openai", "sk-1")
	plain.Alias, plain.Tags, plain.Cap, plain.Weight, plain.Enabled = "first", []string{"a", "b"}, 3, 2, false
	plain.Proxy = secret.New("http://bert:quiet@proxy.example:3128")
	session := draft("cursor", jwt("bert", time.Now().Add(time.Hour)))
	session.Checksum = checksum.New()
	for _, each := range []token.Draft{login, plain, session, draft("cursor", "crsr_0123456789"), draft("openai", "sk-2")} {
		must[*tokenstorev1.Token](t)(store.CreateToken(ctx, each))
	}
	said := &tokenstorev1.ClientKey{Name: "Anna's laptop", Tags: []string{"t"}, Models: []string{"m*"}, Networks: []string{"10.0.0.0/8"}, Scopes: []string{"pool:read"}, Limits: []*tokenstorev1.KeyLimit{
		{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, Amount: 20_000_000_000_000, TimeZone: "Europe/Berlin"},
	}}
	key, former, err := store.CreateClientKey(ctx, said)
	if err != nil {
		t.Fatal(err)
	}
	if _, present, err = store.RotateClientKey(ctx, key.GetId(), time.Hour, 0); err != nil {
		t.Fatal(err)
	}
	other := &tokenstorev1.ClientKey{Name: "other", Disabled: true, ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}
	if _, _, err := store.CreateClientKey(ctx, other); err != nil {
		t.Fatal(err)
	}
	must[*tokenstorev1.Route](t)(store.PutRoute(ctx, route("fast", "quick"), 0))
	must[*tokenstorev1.GetSettingsResponse](t)(store.UpdateSettings(ctx, redisstore.SettingsUpdate{
		Settings: &tokenstorev1.Settings{MaxAttempts: 7, ListAllModels: true, DefaultInstructions: "Be brief.\nAnd kind."},
		Names:    []string{"max_attempts", "list_all_models", "default_instructions", "enable_slow_pool"},
		Pages:    []*tokenstorev1.Page{{Path: "/about", Kind: tokenstorev1.PageKind_PAGE_KIND_HTML, Content: "<p>ours</p>"}},
	}))
	must[*tokenstorev1.Prices](t)(store.PutPrices(ctx, []*tokenstorev1.Price{
		{Match: "m1", Input: proto.Uint64(1)}, {Match: "m1", Upstream: "openai", Output: proto.Uint64(2), Source: "litellm"},
	}, 0))
	hook, bearer, password := "https://hooks.example/T1/hush-hook", "hush-bearer", "hush-mail"
	must[*tokenstorev1.Destination](t)(store.PutDestination(ctx, &tokenstorev1.Destination{Name: "hook", Severity: "warning", Alerts: []string{"CarouselPoolDry"}}, &hook, &bearer, 0))
	must[*tokenstorev1.Destination](t)(store.PutDestination(ctx, mailDestination(), nil, &password, 0))
	return store, present, former
}

func mailDestination() *tokenstorev1.Destination {
	return &tokenstorev1.Destination{Name: "mail", Kind: "mail", Language: "zh", Disabled: true, Mail: &tokenstorev1.MailRoute{
		Server: "mail.example:587", Username: "carousel", From: "carousel@mail.example", To: []string{"anna@mail.example"},
	}}
}

func route(name, match string) *tokenstorev1.Route {
	return &tokenstorev1.Route{Name: name, Match: match, Targets: []*tokenstorev1.RouteTarget{{Upstream: "openai", Model: "m1", Weight: 1}}}
}

// written are the records of a backup of the store.
func written(t *testing.T, store *redisstore.Store) []*tokenstorev1.BackupRecord {
	t.Helper()
	var records []*tokenstorev1.BackupRecord
	err := backup.Write(t.Context(), store, func(batch []*tokenstorev1.BackupRecord) error {
		for _, each := range batch {
			records = append(records, proto.CloneOf(each))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// contents reads records.
func contents(t *testing.T, records []*tokenstorev1.BackupRecord) *backup.Contents {
	t.Helper()
	all := &backup.Contents{}
	if err := all.Add(records); err != nil {
		t.Fatal(err)
	}
	return all
}

func planned(t *testing.T, store *redisstore.Store, records []*tokenstorev1.BackupRecord, removeOthers bool) *backup.Plan {
	t.Helper()
	return must[*backup.Plan](t)(backup.NewPlan(t.Context(), store, contents(t, records), removeOthers))
}

// restored carries a plan out and returns it as it is then.
func restored(t *testing.T, store *redisstore.Store, records []*tokenstorev1.BackupRecord, removeOthers bool) *tokenstorev1.RestorePlan {
	t.Helper()
	plan := planned(t, store, records, removeOthers)
	if err := plan.Restore(t.Context(), store, "a test"); err != nil {
		t.Fatal(err)
	}
	return plan.View()
}

// lines are a plan's items, as `action kind name: detail`.
func lines(plan *tokenstorev1.RestorePlan) []string {
	var all []string
	for _, each := range plan.GetItems() {
		line := strings.ToLower(strings.TrimPrefix(each.GetAction().String(), "RESTORE_ACTION_") + " " +
			strings.TrimPrefix(each.GetKind().String(), "BACKUP_KIND_"))
		line += " " + each.GetName()
		if each.GetDetail() != "" {
			line += ": " + each.GetDetail()
		}
		all = append(all, line)
	}
	return all
}

// counted are a plan's counts of an action.
func counted(plan *tokenstorev1.RestorePlan, action tokenstorev1.RestoreAction) int {
	count := 0
	for _, each := range plan.GetCounts() {
		if each.GetAction() == action {
			count += int(each.GetCount())
		}
	}
	return count
}
