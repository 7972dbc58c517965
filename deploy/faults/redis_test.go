package faults_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/deploy/e2e/stack"
)

// misuse is how long a Redis is not as it should be.
const misuse = 3 * time.Second

// operator is a connection that stays, whatever is done to Redis.
func (b *bench) operator() *redis.Conn {
	b.t.Helper()
	client := b.RedisClient()
	connection := client.Conn()
	b.t.Cleanup(func() {
		_ = connection.Close()
		_ = client.Close()
	})
	if err := connection.Ping(b.t.Context()).Err(); err != nil {
		b.t.Fatal(err)
	}
	return connection
}

func (b *bench) redis(connection *redis.Conn, args ...any) {
	b.t.Helper()
	if err := connection.Do(b.t.Context(), args...).Err(); err != nil {
		b.t.Fatal(args, err)
	}
}

// throughMisuse has something done to Redis and undone under load. Meanwhile requests are
// served from the reserves, the tokenstore is not ready and says why, as does the admin
// API; and nothing of the log is lost but what lost names.
func (b *bench) throughMisuse(begin, end func(), reason string, lost func(stack.Shot) bool) {
	b.t.Helper()
	b.shoot()
	b.during(2 * time.Second)
	b.AwaitReserves("openai")
	b.mark("Redis is misused")
	begin()
	b.Eventually("the tokenstore is not ready", 5*time.Second, func() bool { return !b.TokenstoreReady() })
	b.during(misuse)
	if status, body := b.TokenstoreHealth(); status != http.StatusServiceUnavailable || !strings.Contains(body, reason) {
		b.t.Errorf("the tokenstore says %d %s", status, body)
	}
	answer := b.Gateways[0].Admin(b.t, http.MethodPost, "/admin/api/tokens", map[string]any{"upstream": "openai", "token": "sk-one-more-token-of-the-test"})
	if answer.Status != http.StatusServiceUnavailable || !strings.Contains(string(answer.Body), "store_unavailable") {
		b.t.Errorf("the admin API says %d %s", answer.Status, answer.Body)
	}
	end()
	took := b.recovered(b.mark("Redis is as it was"))
	b.t.Logf("normal after %s", took.Round(time.Millisecond))
	b.during(time.Second)
	shots := b.report()
	b.checkAnswers(shots, nil)
	b.checkCaps()
	b.checkLeases(b.Gateways[0])
	b.checkLog(b.Gateways[0], shots, lost)
}

// Redis takes another password, and the tokenstore has the old one.
func TestRedisTakesAnotherPassword(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	operator := b.operator()
	b.throughMisuse(func() {
		b.redis(operator, "CONFIG", "SET", "requirepass", "another")
		b.redis(operator, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}, func() {
		b.redis(operator, "CONFIG", "SET", "requirepass", "")
	}, "password", nil)
}

// Redis is full, and refuses writes.
func TestRedisIsFull(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	operator := b.operator()
	b.throughMisuse(func() {
		b.redis(operator, "CONFIG", "SET", "maxmemory", "1mb")
	}, func() {
		b.redis(operator, "CONFIG", "SET", "maxmemory", "0")
	}, "Redis is full", nil)
}

// Redis loses all of its data, and gets them back. What was written in the moment between
// the copy and the loss is gone.
func TestRedisIsEmptied(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	operator := b.operator()
	copied := map[string]string{}
	var flushed time.Time
	b.throughMisuse(func() {
		for _, key := range operator.Keys(t.Context(), "*").Val() {
			copied[key] = operator.Dump(t.Context(), key).Val()
		}
		b.redis(operator, "FLUSHALL")
		flushed = time.Now()
	}, func() {
		for key, value := range copied {
			if value != "" { // not one that has expired meanwhile
				b.redis(operator, "RESTORE", key, 0, value, "REPLACE")
			}
		}
	}, "lost all of its data", func(shot stack.Shot) bool { return shot.Began.Before(flushed) })
}

// The tokenstore is started with another seal key than that of the data.
func TestForeignSealKey(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	path := filepath.Join(b.Folder, "seal.key")
	own, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(string(own), " ")
	restart := func(content []byte) {
		b.Tokenstore.Kill()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		b.StartTokenstore()
	}
	b.throughMisuse(func() {
		restart([]byte("kother " + strings.Repeat("A", 43) + "=\n"))
		b.Eventually("the tokenstore answers", 5*time.Second, func() bool { status, _ := b.TokenstoreHealth(); return status != 0 })
	}, func() { restart(own) }, id, nil)
}
