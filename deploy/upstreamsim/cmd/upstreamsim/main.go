// Command upstreamsim serves the simulated upstreams.
//
//	upstreamsim [serve] [flags]      until SIGTERM or SIGINT
//	upstreamsim healthcheck [flags]  exit code 0 when the server at --addr answers
//	upstreamsim ledger [flags]       what has arrived at the server at --addr, as JSON
//	upstreamsim tokens               the demo tokens, as JSON
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"carousel.internal/deploy/upstreamsim"
)

const (
	defaultAddr = "127.0.0.1:8090"
	askTimeout  = 3 * time.Second
	stopTimeout = 5 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "upstreamsim:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	command := "serve"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		return serve(ctx, args, out)
	case "healthcheck":
		return ask(ctx, "/sim/health", args, io.Discard)
	case "ledger":
		return ask(ctx, "/sim/ledger", args, out)
	case "tokens":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(upstreamsim.DemoTokens())
	default:
		return fmt.Errorf("there is no command %q: serve, healthcheck, ledger, tokens", command)
	}
}

func serve(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("upstreamsim", flag.ContinueOnError)
	addr := flags.String("addr", defaultAddr, "address to listen on")
	demoOnly := flags.Bool("demo-tokens-only", false, "refuse every token but the demo tokens")
	var options upstreamsim.Options
	flags.StringVar(&options.MinClientVersion, "min-client-version", "", "lowest Cursor client version that is served")
	flags.Int64Var(&options.Quota.Limit, "quota", 0, "chats that each Cursor token may have (default without limit)")
	flags.DurationVar(&options.SlowInterval, "slow-interval", 0, "time between the events of sim-slow (default 1s)")
	flags.DurationVar(&options.Heartbeat, "heartbeat", 0, "time between the frames of sim-heartbeat-only (default 200ms)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there is no argument %q", flags.Arg(0))
	}
	if *demoOnly {
		demo := upstreamsim.DemoTokens()
		options.Tokens = slices.Concat(demo.Cursor, demo.OpenAI, demo.Anthropic)
	}

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "upstreamsim: simulated upstreams on http://%s\n", listener.Addr())
	sim := upstreamsim.New(options)
	server := sim.Server()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }() // ends with Shutdown or Close
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	sim.Close()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

// ask gets a path of the running server's control API.
func ask(ctx context.Context, path string, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("upstreamsim", flag.ContinueOnError)
	addr := flags.String("addr", defaultAddr, "address of the server")
	if err := flags.Parse(args); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(*addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", response.Status)
	}
	_, err = io.Copy(out, response.Body)
	return err
}
