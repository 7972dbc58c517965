package cases

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/deploy/e2e/stack"
)

func init() {
	holds["a03"] = anotherPassword
	holds["a04"] = redisThatEvicts
	holds["a05"] = redisThatIsEmptyAgain
	holds["a06"] = redisThatIsFull
}

// redisPair is a pair with three tokens that serves, over a Redis of its own.
type redisPair struct {
	*stack.Stack
	t        *testing.T
	operator *redis.Conn
}

func newRedisPair(t *testing.T) *redisPair {
	t.Helper()
	p := &redisPair{Stack: stack.Start(t, stack.Options{}), t: t}
	p.AddTokens("openai", "o", 3, 0)
	client := p.RedisClient()
	p.operator = client.Conn() // stays, whatever is done
	t.Cleanup(func() {
		_ = p.operator.Close()
		_ = client.Close()
	})
	p.Eventually("it serves", 20*time.Second, func() bool { return p.chat().OK() })
	p.AwaitReserves("openai")
	return p
}

func (p *redisPair) chat() stack.Shot {
	return stack.Load{Gateways: p.Gateways, Model: "gpt-test"}.One(p.t)
}

func (p *redisPair) do(args ...any) {
	p.t.Helper()
	if err := p.operator.Do(p.t.Context(), args...).Err(); err != nil {
		p.t.Fatal(args, err)
	}
}

// add asks for one more token.
func (p *redisPair) add() stack.Answer {
	return p.Gateways[0].Admin(p.t, http.MethodPost, "/admin/api/tokens", map[string]any{"upstream": "openai", "token": "sk-one-more-token-of-the-case"})
}

// outOfUse waits until the tokenstore says that it is not ready, and why.
func (p *redisPair) outOfUse(reason string) {
	p.t.Helper()
	p.Eventually("the tokenstore says "+reason, 5*time.Second, func() bool {
		status, body := p.TokenstoreHealth()
		return status == http.StatusServiceUnavailable && strings.Contains(body, reason)
	})
	if answer := p.add(); answer.Status != http.StatusServiceUnavailable || !strings.Contains(string(answer.Body), "store_unavailable") {
		p.t.Errorf("the admin API says %d %s", answer.Status, answer.Body)
	}
	for range 3 {
		if shot := p.chat(); !shot.OK() {
			p.t.Errorf("a chat: %d %s", shot.Status, shot.Body)
		}
	}
}

func (p *redisPair) inUse() {
	p.t.Helper()
	p.Eventually("the tokenstore is ready", 10*time.Second, p.TokenstoreReady)
	metric := func(state string) float64 {
		return stack.Metric(p.t, p.Gateways[0].Ops, "carousel_gateway_log_entries_total", `state="`+state+`"`)
	}
	p.Eventually("every entry of the log is stored", 20*time.Second, func() bool { return metric("accepted") == metric("stored") })
	if dropped := metric("dropped"); dropped > 0 {
		p.t.Errorf("%v entries were dropped", dropped)
	}
}

func anotherPassword(t *testing.T) {
	p := newRedisPair(t)
	for _, change := range []struct {
		do, undo []any
		reason   string
	}{
		{[]any{"CONFIG", "SET", "requirepass", "new"}, []any{"CONFIG", "SET", "requirepass", ""}, "password"},
		{[]any{"ACL", "SETUSER", "default", "-@scripting", "-incr"}, []any{"ACL", "SETUSER", "default", "+@all"}, "rights"},
	} {
		p.do(change.do...)
		p.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		p.outOfUse(change.reason)
		p.do(change.undo...)
		p.inUse()
	}
}

func redisThatEvicts(t *testing.T) {
	p := newRedisPair(t)
	p.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	warned := func(kind string) func() bool {
		return func() bool {
			fleet := string(p.Gateways[0].Admin(t, http.MethodGet, "/admin/api/fleet", nil).Body)
			status, health := p.TokenstoreHealth()
			return status == http.StatusOK && strings.Contains(health, "maxmemory-policy noeviction") &&
				strings.Contains(fleet, `"`+kind+`"`)
		}
	}
	p.Eventually("it is said that Redis evicts", 5*time.Second, warned("evicts"))
	memory, err := p.operator.Info(t.Context(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(memory, "used_memory:")
	text, _, _ := strings.Cut(rest, "\r\n")
	used, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	p.do("CONFIG", "SET", "maxmemory", used+1<<20)
	for i := range 40 { // what finds no room even so is of no interest
		_ = p.operator.Set(t.Context(), "something "+strconv.Itoa(i), strings.Repeat("x", 64<<10), 0).Err()
	}
	// Which keys go is Redis's choice: where the mark of the data is one of them, the store is
	// out of use and says so.
	outOfUse := func() bool {
		status, health := p.TokenstoreHealth()
		return status == http.StatusServiceUnavailable && strings.Contains(health, "lost all of its data")
	}
	p.Eventually("it is said that data have vanished", 5*time.Second, func() bool { return warned("vanished")() || outOfUse() })
}

func redisThatIsEmptyAgain(t *testing.T) {
	p := newRedisPair(t)
	p.do("FLUSHALL")
	p.outOfUse("lost all of its data")
	p.Eventually("without a reserve it is 503", 10*time.Second, func() bool {
		shot := stack.Load{Gateways: p.Gateways, Model: "cursor/gpt-4o"}.One(t)
		if shot.Status == http.StatusBadRequest {
			t.Fatalf("the client is blamed: %s", shot.Body)
		}
		return shot.Status == http.StatusServiceUnavailable
	})
}

func redisThatIsFull(t *testing.T) {
	p := newRedisPair(t)
	p.do("CONFIG", "SET", "maxmemory", "1mb")
	if answer := p.add(); answer.Status != http.StatusServiceUnavailable || !strings.Contains(string(answer.Body), "Redis is full") {
		t.Errorf("the admin API says %d %s", answer.Status, answer.Body)
	}
	p.outOfUse("Redis is full")
	p.do("CONFIG", "SET", "maxmemory", "0")
	p.inUse()
}
