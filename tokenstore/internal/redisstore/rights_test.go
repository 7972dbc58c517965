package redisstore

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
)

var calledCommand = regexp.MustCompile(`call\('([A-Z]+)'`)

// Every command of every script is tried.
func TestRightsOfAllScriptsAreTried(t *testing.T) {
	t.Parallel()
	tried, err := luaFiles.ReadFile("lua/rights.lua")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(luaFiles, "lua", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		source, err := luaFiles.ReadFile(path)
		for _, found := range calledCommand.FindAllStringSubmatch(string(source), -1) {
			if !strings.Contains(string(tried), found[0]) {
				t.Errorf("%s does %s, which rights.lua does not try", path, found[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A user whose rights are cut in any part is told so, by callers and by readiness; and the
// store is fit again when they are back. Nothing is left of the trial.
func TestRightsThatAreCut(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string][]any{
		"one command": {"-zadd"}, "another": {"-hset"}, "publishing": {"-publish"}, "the channels": {"resetchannels"}, "writing": {"-@write"},
		"streams": {"-xadd"}, "keys of pools": {"resetkeys", "~c1:{config}*", "~c1:{log}*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := testredis.Start(t)
			store, ctx := newStore(t, client), t.Context()
			create(t, store, draft("openai", "secret-of-a-token"))
			before := client.DBSize(ctx).Val()
			user := func(rules ...any) {
				t.Helper()
				if err := client.Do(ctx, append([]any{"ACL", "SETUSER", "default"}, rules...)...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			user(cut...)
			defer user("+@all", "allkeys", "allchannels")
			_, _, leasing := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 1, TTL: time.Minute})
			_, creating := store.CreateToken(ctx, draft("openai", "another-token"))
			_, logging := store.AppendLog(ctx, "g1", logEntries(1, 1))
			refused := 0
			for doing, err := range map[string]error{"a lease": leasing, "a new token": creating, "the log": logging} {
				if err != nil {
					refused++
				}
				if err != nil && !isUnavailable(err) {
					t.Errorf("%s: %v", doing, err)
				}
			}
			if refused == 0 {
				t.Error("nothing was refused")
			}
			for range 2 {
				if err := store.Prepare(ctx); !isUnavailable(err) || !strings.Contains(err.Error(), "rights") {
					t.Errorf("ready: %v", err)
				}
			}
			user("+@all", "allkeys", "allchannels")
			if err := store.Prepare(ctx); err != nil {
				t.Fatal(err)
			}
			if left := client.Keys(ctx, "*rights*").Val(); len(left) > 0 || before == 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
