package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	startLimit = 60 * time.Second
	stopLimit  = 20 * time.Second
	pollEvery  = 50 * time.Millisecond
)

// process is one program of a system.
type process struct {
	name    string
	command *exec.Cmd
	logFile string
	ended   chan struct{}
}

// start starts a program with its output in the folder, and an environment that
// has nothing but what is needed and env.
func start(ctx context.Context, folder, name string, env []string, path string, args ...string) (*process, error) {
	p := &process{name: name, logFile: filepath.Join(folder, name+".log"), ended: make(chan struct{})}
	output, err := os.Create(p.logFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }() // the process has its own
	// The context's end is no SIGKILL: stop ends it as an orchestrator does.
	p.command = exec.CommandContext(context.WithoutCancel(ctx), path, args...)
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	p.command.Env, p.command.Stdout, p.command.Stderr = env, output, output
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { // ends with the process
		_ = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		_ = p.command.Process.Kill()
		<-p.ended
	}
}

// failure is an error with the end of the process's log.
func (p *process) failure(err error) error {
	const most = 2000
	log, _ := os.ReadFile(p.logFile)
	return fmt.Errorf("%s: %w; the end of its log:\n%s", p.name, err, log[max(len(log)-most, 0):])
}

// wait waits until the condition holds; the process must live meanwhile.
func (p *process) wait(ctx context.Context, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-p.ended:
			return p.failure(errors.New("ended at its start"))
		case <-ctx.Done():
			return p.failure(fmt.Errorf("did not start: %w", err))
		}
	}
}

// listens answers the condition that an address takes connections.
func listens(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := dial(ctx, addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// ready answers the condition that a service says that it is ready.
func ready(opsAddr string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := call(ctx, http.MethodGet, "http://"+opsAddr+"/readyz", "", nil)
		return err
	}
}
