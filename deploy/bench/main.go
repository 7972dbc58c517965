package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the command line.
type settings struct {
	plan    plan
	systems []string
	out     string
	profile string
	commit  string
	quick   bool
	judge   bool
}

func parse(args []string, output io.Writer) (settings, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(output)
	var s settings
	flags.IntVar(&s.plan.rounds, "rounds", 3, "how often every cell is measured")
	flags.DurationVar(&s.plan.window, "cell", 2*time.Second, "how long a cell is measured; open loops take longer")
	flags.DurationVar(&s.plan.warmUp, "warm-up", 300*time.Millisecond, "and how long it runs before that")
	flags.StringVar(&s.out, "out", "docs/benchmark.md", "file that gets the report of a whole run, below the repository's root; none where empty")
	flags.BoolVar(&s.quick, "quick", false, "one short round: does everything work? Writes no file and judges nothing")
	flags.DurationVar(&s.plan.rest, "rest", 20*time.Second, "how long all rest before the load; at most three times as long after it")
	flags.BoolVar(&s.judge, "judge", true, "exit code 1 when Carousel misses what is wanted, or can't keep up")
	flags.StringVar(&s.profile, "profile", "", "existing folder that gets profiles of gateway and tokenstore, one a workload")
	flags.StringVar(&s.commit, "before", "", "commit to measure beside the present tree, in the same rounds")
	chosenSystems := flags.String("systems", strings.Join(systemNames[:len(systemNames)-1], ","), "systems to measure")
	chosenWorkloads := flags.String("workloads", "", "workloads to measure, such as plain-16,stream-64 (default all)")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("there is no argument %q", flags.Arg(0))
	}
	if s.quick {
		s.plan.rounds, s.plan.window, s.plan.warmUp, s.plan.rest = 1, 500*time.Millisecond, 100*time.Millisecond, time.Second
		s.out, s.judge = "", false
	}
	if s.plan.rounds < 1 || s.plan.window <= 0 {
		return s, errors.New("at least one round, and cells that take time")
	}
	var err error
	if s.systems, err = choose(*chosenSystems, systemNames, func(name string) string { return name }); err != nil {
		return s, err
	}
	if s.plan.workloads, err = choose(*chosenWorkloads, workloads, workload.String); err != nil {
		return s, err
	}
	if s.commit != "" {
		s.systems = append(s.systems, before)
	} else if slices.Contains(s.systems, before) {
		return s, errors.New("-before names the commit that is to be measured")
	}
	if len(s.systems) < len(systemNames)-1 || len(s.plan.workloads) < len(workloads) {
		s.out = "" // half a table would take the place of a whole one
	}
	return s, nil
}

// choose answers what a list of names chooses, in the order of all; everything
// where the list is empty.
func choose[T any](list string, all []T, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	wanted := strings.Split(list, ",")
	var chosen []T
	for _, each := range all {
		if at := slices.Index(wanted, name(each)); at >= 0 {
			chosen = append(chosen, each)
			wanted = slices.Delete(wanted, at, at+1)
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("there is no %q", strings.Join(wanted, ","))
	}
	return chosen, nil
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "bench: building and starting")
	b, err := newBench(ctx, s.systems, s.commit)
	defer b.close()
	if err != nil {
		return err
	}
	head := b.describe(ctx, args, s.plan)
	measured, err := b.measure(ctx, s.plan, func(round int, k key, c cell) {
		fmt.Fprintf(stdout, "round %d  %-10s %-13s %7.0f requests/s  p50 %6.2f ms  p99 %6.2f ms  %.3f CPU s per 1,000\n",
			round+1, k.workload, k.system, c.rate, milliseconds(c.p50), milliseconds(c.p99), sum(c.cpu))
	})
	if !s.judge && tooSlow(err) {
		fmt.Fprintln(stdout, "bench: not measured:", err)
		return nil
	}
	if err != nil {
		return err
	}
	if s.profile != "" {
		if err := b.profile(ctx, s); err != nil {
			return err
		}
	}
	report := b.render(head, measured)
	fmt.Fprintf(stdout, "\n%s", report)
	if s.out != "" {
		path := filepath.Join(b.root, s.out)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a folder of the repository
			return err
		}
		if err := os.WriteFile(path, report, 0o644); err != nil { //nolint:gosec // a file of the repository
			return err
		}
	}
	if _, missed := measured.reached(); s.judge && len(missed) > 0 {
		return missedGoals(missed)
	}
	return nil
}
