package stack

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"carousel.internal/proto/freeport"
)

// StartLocal starts both services in one process, on a data folder of its own, as who tries them
// out does: with the simulated upstreams of that process.
func StartLocal(t testing.TB) *Gateway {
	t.Helper()
	addr, folder := freeport.MustAddr(t), t.TempDir()
	_, port, _ := net.SplitHostPort(addr)
	gateway := &Gateway{URL: "http://" + addr, judged: t}
	gateway.Process = startProcess(t, "the embedded pair", binary(t, "deploy", "./local"), folder,
		[]string{"--data", filepath.Join(folder, "data")}, []string{"PORT=" + port, "AUTH_TOKEN=" + AdminToken})
	Eventually(t, "the embedded pair is ready", startLimit, func() bool { return strings.Contains(gateway.Log(), "Carousel is ready.") })
	return gateway
}
