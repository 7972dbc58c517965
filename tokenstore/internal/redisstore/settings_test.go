package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// update is UpdateSettings for those who ask only for the settings.
func update(ctx context.Context, store *Store, wanted SettingsUpdate) (*tokenstorev1.Settings, error) {
	now, err := store.UpdateSettings(ctx, wanted)
	return now.GetSettings(), err
}

func reset(ctx context.Context, store *Store, wanted SettingsReset) (*tokenstorev1.Settings, error) {
	now, err := store.ResetSettings(ctx, wanted)
	return now.GetSettings(), err
}

func TestSettings(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		got, err := store.Settings(ctx)
		want := token.DefaultSettings()
		want.Version = 1
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("at first: %v, %v", got, err)
		}
		wanted := &tokenstorev1.Settings{EnableStreamCheck: false, VisionAbility: "url", MaxAttempts: 9}
		got, err = update(ctx, store, SettingsUpdate{Settings: wanted, Names: []string{"enable_stream_check", "vision_ability"}, Expected: 1})
		if err != nil || got.GetEnableStreamCheck() || got.GetVisionAbility() != "all" || got.GetMaxAttempts() != 3 || got.GetVersion() != 2 ||
			time.Since(got.GetUpdatedAt().AsTime()).Abs() > time.Minute {
			t.Errorf("updated: %v, %v", got, err)
		}
		_, err = update(ctx, store, SettingsUpdate{Settings: wanted, Names: []string{"max_attempts"}, Expected: 1})
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		for name, names := range map[string][]string{"none": nil, "unknown": {"nonsense"}, "version": {"version"}} {
			_, err = update(ctx, store, SettingsUpdate{Settings: wanted, Names: names, Expected: 0})
			wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
			_, err = reset(ctx, store, SettingsReset{Names: names, Expected: 0})
			if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT); t.Failed() {
				t.Fatal(name)
			}
		}
		// All or none.
		_, err = update(ctx, store, SettingsUpdate{Settings: &tokenstorev1.Settings{EnableSlowPool: true, MaxAttempts: 99}, Names: []string{"enable_slow_pool", "max_attempts"}, Expected: 0})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		if got, err = store.Settings(ctx); err != nil || got.GetEnableSlowPool() || got.GetVersion() != 2 {
			t.Errorf("after a refused update: %v, %v", got, err)
		}
		if got, err = reset(ctx, store, SettingsReset{Names: []string{"vision_ability"}, Expected: 2}); err != nil || got.GetVisionAbility() != "base64" || got.GetEnableStreamCheck() {
			t.Errorf("reset: %v, %v", got, err)
		}
	})
}

// Every setting, whatever its kind, comes back as it was stored.
func TestEverySettingIsStored(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		wanted := &tokenstorev1.Settings{
			VisionAbility: "none", RotationStrategy: token.Sticky, Affinity: token.AffinityNamed, CheckUsageModelsType: "list", LogRetentionCount: 7, MaxAttempts: 7, QueueWaitMs: 7,
			EnableSlowPool: true, EnableAllClaude: true, LogRetentionHours: 7, LogPromptMb: 9, EnableOwnTokens: true, EnableAliasPinning: true, ListAllModels: true,
		}
		var names []string
		message := wanted.ProtoReflect()
		for i := range message.Descriptor().Fields().Len() {
			field := message.Descriptor().Fields().Get(i)
			if _, err := token.SettingField(string(field.Name())); err != nil {
				continue
			}
			names = append(names, string(field.Name()))
			if field.Kind() == protoreflect.StringKind && !message.Has(field) {
				message.Set(field, protoreflect.ValueOfString("text of "+string(field.Name())))
			}
		}
		got, err := update(t.Context(), store, SettingsUpdate{Settings: wanted, Names: names, Expected: 0})
		if err != nil {
			t.Fatal(err)
		}
		got.Version, got.UpdatedAt = 0, nil
		if !proto.Equal(got, wanted) {
			t.Errorf("got  %v\nwant %v", got, wanted)
		}
		got, err = reset(t.Context(), store, SettingsReset{Names: names, Expected: 0})
		if err != nil {
			t.Fatal(err)
		}
		got.Version, got.UpdatedAt = 0, nil
		if !proto.Equal(got, token.DefaultSettings()) {
			t.Errorf("after a reset: %v", got)
		}
	})
}

func TestConcurrentSettingsLoseNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		wanted := &tokenstorev1.Settings{EnableOwnTokens: true, EnableSlowPool: true, EnableAllClaude: true, DefaultInstructions: "x"}
		var group sync.WaitGroup
		for _, name := range []string{"enable_own_tokens", "enable_slow_pool", "enable_all_claude", "default_instructions"} {
			group.Go(func() {
				if _, err := update(t.Context(), store, SettingsUpdate{Settings: wanted, Names: []string{name}, Expected: 0}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		got, err := store.Settings(t.Context())
		if err != nil || !got.GetEnableOwnTokens() || !got.GetEnableSlowPool() || !got.GetEnableAllClaude() || got.GetDefaultInstructions() != "x" || got.GetVersion() != 5 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestUpstreams(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		wanted := &tokenstorev1.Upstream{
			Name: "local", Driver: "openai", BaseUrl: "http://localhost:11434/v1", Models: []string{"a", "b/c"}, Settings: map[string]string{"k": "v"},
		}
		got, err := store.PutUpstream(ctx, wanted, 0)
		wanted.Version = 1
		if err != nil || !proto.Equal(got, wanted) {
			t.Errorf("got %v, %v", got, err)
		}
		wanted.Models = nil
		if got, err = store.PutUpstream(ctx, wanted, 1); err != nil || got.GetVersion() != 2 || len(got.GetModels()) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
		_, err = store.PutUpstream(ctx, wanted, 1)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		_, err = store.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "x", Driver: "openai", BaseUrl: "http://x"}, 3)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		_, err = store.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "X"}, 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		if created, err := store.SeedUpstream(ctx, &tokenstorev1.Upstream{Name: "local", Driver: "cursor", BaseUrl: "http://other"}); err != nil || created {
			t.Errorf("a seed replaced an upstream: %v", err)
		}

		id := create(t, store, draft("local", "K")).GetId()
		wanted.Driver = "cursor"
		_, err = store.PutUpstream(ctx, wanted, 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_UPSTREAM_IN_USE)
		wantReason(t, store.DeleteUpstream(ctx, "local", 0), tokenstorev1.Reason_REASON_UPSTREAM_IN_USE)
		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		wantReason(t, store.DeleteUpstream(ctx, "local", 9), tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		if err := store.DeleteUpstream(ctx, "local", 2); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"local", "No Name"} {
			wantReason(t, store.DeleteUpstream(ctx, name, 0), tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND)
		}

		for named, want := range map[string]string{"": "cursor", "openai": "openai"} {
			if got, err := store.PoolName(ctx, named); err != nil || got != want {
				t.Errorf("pool %q: %q, %v", named, got, err)
			}
		}
		_, err = store.PoolName(ctx, "local")
		wantReason(t, err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND)
		if err := store.DeleteUpstream(ctx, "cursor", 0); err != nil {
			t.Fatal(err)
		}
		if got, err := store.PoolName(ctx, ""); err != nil || got != "openai" {
			t.Errorf("the only pool: %q, %v", got, err)
		}
	})
}

// A token can't slip into an upstream that is being deleted: either the upstream
// stays or the token is refused.
func TestCreateAgainstDeleteUpstream(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		for i := range 20 {
			name := "u" + strings.Repeat("x", i)
			if _, err := store.SeedUpstream(t.Context(), &tokenstorev1.Upstream{Name: name, Driver: "openai", BaseUrl: "http://x"}); err != nil {
				t.Fatal(err)
			}
			var created, deleted error
			var group sync.WaitGroup
			group.Go(func() { _, created = store.CreateToken(t.Context(), draft(name, "K")) })
			group.Go(func() { deleted = store.DeleteUpstream(t.Context(), name, 0) })
			group.Wait()
			if (created == nil) == (deleted == nil) {
				t.Errorf("created: %v, deleted: %v", created, deleted)
			}
		}
	})
}

// Of each setting that was changed it is known what it was before.
func TestPreviousValues(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		set := func(attempts uint32) {
			t.Helper()
			_, err := store.UpdateSettings(ctx, SettingsUpdate{Settings: &tokenstorev1.Settings{MaxAttempts: attempts}, Names: []string{"max_attempts"}, Actor: "api"})
			if err != nil {
				t.Fatal(err)
			}
		}
		previous := func() string {
			t.Helper()
			now, err := store.Configuration(ctx)
			if err != nil || now.GetDefaults().GetMaxAttempts() != store.defaults.GetMaxAttempts() || len(now.GetChanges()) != 1 {
				t.Fatal(now, err)
			}
			change := now.GetChanges()[0]
			return fmt.Sprintf("%q %v %v", change.GetPrevious(), change.Previous != nil, change.GetPreviousDefault())
		}
		set(5)
		if got := previous(); got != `"" false true` {
			t.Errorf("changed once: %s", got)
		}
		set(7)
		if got := previous(); got != `"5" true false` {
			t.Errorf("changed twice: %s", got)
		}
		if _, err := store.ResetSettings(ctx, SettingsReset{Names: []string{"max_attempts"}, Actor: "api"}); err != nil {
			t.Fatal(err)
		}
		if got := previous(); got != `"7" true false` {
			t.Errorf("reset: %s", got)
		}
		// As a tokenstore of before changes it.
		store.client.HSet(ctx, settingsKey(), "c:max_attempts", "1 api")
		if got := previous(); got != `"" false false` {
			t.Errorf("changed by another version: %s", got)
		}
	})
}
