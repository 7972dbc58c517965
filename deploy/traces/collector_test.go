package traces

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/freeport"
)

// collect runs a collector that sends everything to a receiver, and returns its address for gRPC.
// The test's end stops it.
func collect(t *testing.T, program string, to *Receiver) string {
	t.Helper()
	addr := freeport.MustAddr(t)
	config := fmt.Sprintf(`
receivers: {otlp: {protocols: {grpc: {endpoint: %q}}}}
exporters: {otlp_grpc: {endpoint: %q, tls: {insecure: true}}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [otlp_grpc]}}
`, addr, strings.TrimPrefix(to.GRPC, "http://"))
	ctx, stop := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "--config", "yaml:"+config)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }() // ends with stop
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Logf("the collector said:\n%s", &said)
		}
	})
	awaitPort(t, addr, ended, &said)
	return addr
}

// awaitPort waits until somebody listens. said is read when the collector has ended.
func awaitPort(t *testing.T, addr string, ended chan error, said *bytes.Buffer) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", addr); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the collector has ended: %v\n%s", err, said)
		case <-late.C:
			t.Fatal("the collector does not listen")
		case <-again.C:
		}
	}
}
