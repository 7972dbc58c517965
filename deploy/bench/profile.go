package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// profileSeconds is how long a profile takes.
const profileSeconds = 5

// profile has gateway and tokenstore profiled under every workload, after the
// measurement, which it would disturb: CPU time, what was
// allocated, and the metrics in the end.
func (b *bench) profile(ctx context.Context, s settings) error {
	for _, each := range b.systems {
		for _, w := range s.plan.workloads {
			if len(each.profiled) == 0 {
				continue
			}
			if err := profileUnder(ctx, w, each, s.profile); err != nil {
				return err
			}
		}
	}
	return nil
}

func profileUnder(ctx context.Context, w workload, s *system, folder string) error {
	load, err := newLoad(ctx, w, s.addr, s.key)
	if err != nil {
		return err
	}
	defer load.close()
	var running sync.WaitGroup
	defer running.Wait()
	problems := make(chan error, len(s.profiled))
	for name, opsAddr := range s.profiled {
		path := filepath.Join(folder, fmt.Sprintf("%s-%s", name, w))
		profiles := fmt.Sprintf("http://%s/debug/pprof/", opsAddr)
		running.Go(func() {
			problems <- errors.Join(
				save(ctx, fmt.Sprintf("%sprofile?seconds=%d", profiles, profileSeconds), path+".cpu"),
				save(ctx, fmt.Sprintf("%sallocs?seconds=%d", profiles, profileSeconds), path+".allocs"),
				save(ctx, fmt.Sprintf("http://%s/metrics", opsAddr), path+".metrics"))
		})
	}
	took := load.run(ctx, (2*profileSeconds+1)*time.Second)
	for range s.profiled {
		if problem := <-problems; problem != nil {
			took.errors = append(took.errors, problem)
		}
	}
	return took.problem()
}

func save(ctx context.Context, url, path string) error {
	profile, err := call(ctx, http.MethodGet, url, "", nil)
	if err != nil {
		return err
	}
	return os.WriteFile(path, profile, 0o600)
}
