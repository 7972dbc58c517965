package stack

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/freeport"
)

// Balance starts HAProxy with the project's own configuration in front of the gateways, its
// patience with clients cut short, waits until it serves, and returns it as a gateway. The test's
// end stops it. Where there is no haproxy the test is skipped, unless REQUIRE_HAPROXY=1.
func Balance(t testing.TB, gateways ...*Gateway) *Gateway {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if os.Getenv("REQUIRE_HAPROXY") == "1" {
			t.Fatal(err)
		}
		t.Skip("there is no haproxy")
	}
	port := freeport.MustPort(t)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(balancerConfig(t, port, gateways)), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "-db", "-f", file) //nolint:noctx // ended by the cleanup
	command.Env = append(os.Environ(), "FRONT_PROXIES=")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	balancer := Remote(t, "http://127.0.0.1:"+port)
	Eventually(t, "the balancer serves", startLimit, func() bool {
		answer, err := http.Get(balancer.URL + "/health") //nolint:noctx // at once
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return balancer
}

// balancerConfig is the project's configuration with these gateways.
func balancerConfig(t testing.TB, port string, gateways []*Gateway) string {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(Root(t), "deploy/docker/haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	var servers []string
	for i, gateway := range gateways {
		at, err := url.Parse(gateway.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, opsPort, _ := net.SplitHostPort(gateway.Ops)
		servers = append(servers, fmt.Sprintf("server gateway%d %s check port %s", i+1, at.Host, opsPort))
	}
	text := string(config)
	for _, change := range [][2]string{
		{"bind :3000", "bind 127.0.0.1:" + port},
		{"bind :8404", "bind 127.0.0.1:" + freeport.MustPort(t)},
		{"timeout client 60s", "timeout client " + balancerPatience.String()},
		{"timeout http-request 15s", "timeout http-request " + balancerPatience.String()},
		{
			`server-template gateway "1-${MAX_GATEWAYS}" gateway:3000 check port 9090 resolvers docker init-addr none`,
			strings.Join(servers, "\n    "),
		},
	} {
		if strings.Count(text, change[0]) != 1 {
			t.Fatalf("haproxy.cfg does not have %q once", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	return text
}

// balancerPatience is how long a test's balancer waits for what a client owes.
const balancerPatience = 5 * time.Second
