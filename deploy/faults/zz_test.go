package faults_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

func TestZZ(t *testing.T) {
	p := stack.Start(t, stack.Options{})
	p.AddTokens("openai", "o", 3, 0)
	client := p.RedisClient()
	op := client.Conn()
	ctx := t.Context()
	g := p.Gateways[0]
	chat := func() stack.Shot { return stack.Load{Gateways: p.Gateways, Model: "gpt-test"}.One(t) }
	p.Eventually("serves", 20*time.Second, func() bool { return chat().OK() })
	time.Sleep(2 * time.Second)
	do := func(args ...any) {
		if err := op.Do(ctx, args...).Err(); err != nil {
			fmt.Println("   DO", args, err)
		}
	}
	kill := func() {
		do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		do("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
	}
	acl := func(args ...any) func() {
		return func() { do(append([]any{"ACL", "SETUSER", "default"}, args...)...); kill() }
	}
	all := func() { do("ACL", "SETUSER", "default", "+@all", "allkeys", "allchannels") }
	n := 0
	type sc struct {
		name       string
		begin, end func()
	}
	for _, s := range []sc{
		{"replica", func() { do("REPLICAOF", "127.0.0.1", "1") }, func() { do("REPLICAOF", "NO", "ONE") }},
		{"min-replicas", func() { do("CONFIG", "SET", "min-replicas-to-write", "1") }, func() { do("CONFIG", "SET", "min-replicas-to-write", "0") }},
		{"full", func() { do("CONFIG", "SET", "maxmemory", "1mb") }, func() { do("CONFIG", "SET", "maxmemory", "0") }},
		{"-evalsha", acl("-evalsha"), all},
		{"-eval", acl("-eval"), all},
		{"-@write", acl("-@write"), all},
		{"-zadd", acl("-zadd"), all},
		{"-xadd", acl("-xadd"), all},
		{"-hset", acl("-hset"), all},
		{"-publish", acl("-publish"), all},
		{"-subscribe", acl("-subscribe", "-psubscribe"), all},
		{"resetchannels", acl("resetchannels"), all},
		{"keys config only", acl("resetkeys", "~c1:{config}*"), all},
		{"keys no log", acl("resetkeys", "~c1:{config}*", "~c1:{pool*", "~c1:{fleet}*", "~c1:{once}*", "~c1:barrier*"), all},
		{"-info -config", acl("-info", "-config"), all},
		{"-hgetall", acl("-hgetall"), all},
		{"-hmget", acl("-hmget"), all},
		{"-multi", acl("-multi", "-exec"), all},
		{"maxclients", func() { do("CONFIG", "SET", "maxclients", "1"); kill() }, func() { do("CONFIG", "SET", "maxclients", "10000") }},
		{"SIGSTOP", func() { p.Redis.Signal(syscall.SIGSTOP) }, func() { p.Redis.Signal(syscall.SIGCONT) }},
		{"CLIENT PAUSE WRITE", func() { do("CLIENT", "PAUSE", "6000", "WRITE") }, func() { do("CLIENT", "UNPAUSE") }},
		{"script flush", func() { do("SCRIPT", "FLUSH") }, func() {}},
		{"appendonly no", func() { do("CONFIG", "SET", "appendonly", "no") }, func() { do("CONFIG", "SET", "appendonly", "yes") }},
		{"swapdb", func() { do("SWAPDB", "0", "1") }, func() { do("SWAPDB", "0", "1") }},
	} {
		if f := os.Getenv("ZZ"); f != "" && !strings.Contains(s.name, f) {
			continue
		}
		fmt.Println("==", s.name)
		s.begin()
		began := time.Now()
		last := ""
		ok, bad := 0, 0
		badBody := ""
		for time.Since(began) < 4500*time.Millisecond {
			status, body := p.TokenstoreHealth()
			if now := fmt.Sprint(status, " ", strings.TrimSpace(body)); now != last {
				fmt.Printf("  %5.1fs ready: %.260s\n", time.Since(began).Seconds(), now)
				last = now
			}
			if shot := chat(); shot.OK() {
				ok++
			} else {
				bad++
				badBody = fmt.Sprint(shot.Status, string(shot.Body))
			}
			time.Sleep(150 * time.Millisecond)
		}
		n++
		a := g.Admin(t, http.MethodPost, "/admin/api/tokens", map[string]any{"upstream": "openai", "token": fmt.Sprintf("sk-one-more-token-of-the-case-%d", n)})
		l := g.Admin(t, http.MethodGet, "/admin/api/tokens", nil)
		_, gw := stack.Readyz(ctx, g.Ops)
		fmt.Printf("  chats ok %d bad %d %.150s\n  admin POST %d %.200s\n  admin GET %d %.120s\n  gateway %.150s\n", ok, bad, badBody, a.Status, a.Body, l.Status, strings.ReplaceAll(string(l.Body), "\n", " "), gw)
		s.end()
		began = time.Now()
		for time.Since(began) < 20*time.Second {
			_, gw := stack.Readyz(ctx, g.Ops)
			if p.TokenstoreReady() && strings.Contains(gw, `"ok"`) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		m := func(state string) float64 {
			return stack.Metric(t, g.Ops, "carousel_gateway_log_entries_total", `state="`+state+`"`)
		}
		for time.Since(began) < 20*time.Second && m("accepted") != m("stored") {
			time.Sleep(50 * time.Millisecond)
		}
		fmt.Printf("  back after %.1fs; log accepted %v stored %v dropped %v\n", time.Since(began).Seconds(), m("accepted"), m("stored"), m("dropped"))
	}
	os.WriteFile("/tmp/cd/store.log", []byte(p.Tokenstore.Log()), 0o600)
	os.WriteFile("/tmp/cd/gw.log", []byte(g.Process.Log()), 0o600)
}
