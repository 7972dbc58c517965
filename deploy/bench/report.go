package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// occasion is what the numbers depend on.
type occasion struct {
	command, date, machine string
	versions               []string
	plan                   plan
}

// describe asks the machine. What can't be asked is left out.
func (b *bench) describe(ctx context.Context, arguments []string, p plan) occasion {
	h := occasion{
		command: strings.Join(append([]string{"go run ./deploy/bench"}, arguments...), " "),
		date:    time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		machine: fmt.Sprintf("%s, %d cores, %s %s", processor(), runtime.NumCPU(), runtime.GOOS, firstLine(ctx, "uname", "-r")),
		plan:    p,
	}
	h.versions = append(h.versions, "Carousel "+firstLine(ctx, "git", "-C", b.root, "describe", "--tags", "--always", "--dirty"), runtime.Version())
	if path, err := lookPath("nginx", ""); err == nil {
		h.versions = append(h.versions, strings.TrimPrefix(firstLine(ctx, path, "-v"), "nginx version: "))
	}
	if path, err := lookPath("redis-server", ""); err == nil {
		fields := strings.Fields(firstLine(ctx, path, "--version"))
		if len(fields) > 2 {
			h.versions = append(h.versions, "Redis "+strings.TrimPrefix(fields[2], "v="))
		}
	}
	return h
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// firstLine of a program's output, on whichever of the two it writes.
func firstLine(ctx context.Context, path string, args ...string) string {
	output, _ := exec.CommandContext(ctx, path, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(output), "\n")
	return strings.TrimSpace(line)
}

const explanation = `
Medians over the rounds; "low to high" are their extremes. Ratios compare two systems within a round, where they ran one after
the other. "Added" is what a system adds to the direct answer's time in the same round. An open loop starts requests at fixed times,
whatever is still out, and their times count from these. CPU time and resident memory are those of
all processes of a system (for Carousel gateway, tokenstore and Redis), without the simulator; CPU time includes what goes on after
the answers, until every log entry is stored. Everything shares the machine's cores with the load generator and the simulator, so
requests/s say how the systems compare, not how fast any of them is.
`

// render writes the report as Markdown.
func (b *bench) render(h occasion, measured results) []byte {
	var to bytes.Buffer
	fmt.Fprintf(&to, "# Benchmark\n\nWritten by `%s` (`make bench`).\n\n", h.command)
	fmt.Fprintf(&to, "- %s\n- %s\n- %s\n- %d rounds; each cell %s after %s of warm-up, 300 requests/s %s, slow streams %s after %s\n", h.date, h.machine, strings.Join(h.versions, ", "),
		h.plan.rounds, h.plan.window, h.plan.warmUp, people.window(h.plan.window), slowStreams.window(h.plan.window), slowStreams.lead())
	fmt.Fprintf(&to, "- programs outside the benchmark had %.0f %% of the machine\n%s", 100*b.others(h.plan, measured), explanation)
	renderGoals(&to, measured)
	b.renderBefore(&to, h.plan, measured)
	for _, w := range h.plan.workloads {
		fmt.Fprintf(&to, "\n## %s\n\n", w.title())
		b.renderWorkload(&to, w, measured)
	}
	renderKeys(&to, measured)
	renderCaps(&to, measured)
	renderMemory(&to, b.systems, measured)
	for _, each := range []struct{ system, title string }{{carousel, "Where Carousel's share goes"}, {before, "And where it went at " + b.commit}} {
		if parts := b.partsOf(each.system); len(parts) > 0 {
			fmt.Fprintf(&to, "\n## %s\n\n", each.title)
			renderParts(&to, h.plan, each.system, parts, measured)
		}
	}
	return to.Bytes()
}

// renderGoals writes the table at the report's head; it leaves out what this run did not
// measure.
func renderGoals(to *bytes.Buffer, measured results) {
	rows, missed := measured.reached()
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(to, "\n## What is wanted\n\n%d of %d are met.\n\n| | %s | wanted | |\n|---|%s---:|---|\n",
		len(rows)-len(missed), len(rows), strings.Join(compared, " | "), strings.Repeat("---:|", len(compared)))
	for _, g := range rows {
		fmt.Fprintf(to, "| %s |", g.what)
		for _, name := range compared {
			fmt.Fprintf(to, " %s |", g.format(g.figures(measured, name)))
		}
		fmt.Fprintf(to, " %s | %s |\n", g.bound(), verdict(g.met(g.figures(measured, carousel))))
	}
}

// renderKeys compares requests with client keys with the admin token's.
func renderKeys(to *bytes.Buffer, measured results) {
	callers := []struct{ system, title string }{{carousel, "admin token"}, {clientKey, "client key without limits"}, {budgetKey, "client key with a budget"}}
	title := "\n## What a key costs\n\n| | | requests/s | of the admin token's | p50, ms | p99, ms | CPU s per 1,000 | of the admin token's | round trips per request |\n" +
		"|---|---|---:|---:|---:|---:|---:|---:|---:|\n"
	for _, w := range keyWorkloads {
		if len(measured.cells[key{w, clientKey}]) == 0 && len(measured.cells[key{w, budgetKey}]) == 0 {
			continue
		}
		to.WriteString(title)
		title = ""
		for _, caller := range callers {
			if len(measured.cells[key{w, caller.system}]) == 0 {
				continue
			}
			f := measured.figures(w, caller.system)
			fmt.Fprintf(to, "| %s | %s | %.0f | %s | %.2f | %.2f | %.3f | %s | %.3f |\n", w.title(), caller.title,
				f.rate.median, ratio(f.toCarousel), f.p50, f.p99, f.cpu, ratio(f.cpuToCarousel), f.roundTrips)
		}
	}
}

// renderMemory tells what the systems hold when nobody asks them, part by part.
func renderMemory(to *bytes.Buffer, systems []*system, measured results) {
	to.WriteString("\n## Memory without load\n\n| | | at rest, MiB | after the load, MiB |\n|---|---|---:|---:|\n")
	for _, s := range systems {
		if s.shared {
			continue
		}
		before, after := measured.atRest[s.name].memory, measured.afterLoad[s.name].memory
		row := func(part string, before, after int) {
			fmt.Fprintf(to, "| %s | %s | %.1f | %.1f |\n", s.name, part, mebibytes(before), mebibytes(after))
		}
		for i, part := range s.parts {
			row(part.name, before[i], after[i])
		}
		if len(s.parts) > 1 {
			row("all", sum(before), sum(after))
		}
	}
}

// renderBefore compares Carousel with the earlier commit, where one was measured.
func (b *bench) renderBefore(to *bytes.Buffer, p plan, measured results) {
	if b.commit == "" {
		return
	}
	fmt.Fprintf(to, "\n## Beside %s\n\n| | requests/s, of what they were | p50, of what it was | CPU s per 1,000, of what they were |\n|---|---:|---:|---:|\n", b.commit)
	for _, w := range p.workloads {
		if f := measured.figures(w, carousel); f.toBefore != (spread{}) {
			fmt.Fprintf(to, "| %s | %s | %s | %s |\n", w.title(), ratio(f.toBefore), ratio(f.p50ToBefore), ratio(f.cpuToBefore))
		}
	}
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

func (b *bench) renderWorkload(to *bytes.Buffer, w workload, measured results) {
	firstByte, firstByteRule := "", ""
	if w.stream {
		firstByte, firstByteRule = " added first byte p50, ms | p99, ms |", "---:|---:|"
	}
	fmt.Fprintf(to, "| | requests/s | low to high | of ReverseProxy | of nginx | p50, ms | p99, ms | added p50, ms | added p99, ms |%s "+
		"CPU s per 1,000 | memory, MiB | round trips per request |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|%s---:|---:|---:|\n", firstByte, firstByteRule)
	for _, name := range systemNames {
		if name == clientKey || name == budgetKey || name == capped || len(measured.cells[key{w, name}]) == 0 {
			continue
		}
		f := measured.figures(w, name)
		fmt.Fprintf(to, "| %s | %.0f | %.0f to %.0f | %s | %s | %.2f | %.2f |", name, f.rate.median, f.rate.low, f.rate.high,
			ratio(f.toReverseProxy), ratio(f.toNginx), f.p50, f.p99)
		if name == direct {
			fmt.Fprintf(to, " | |%s | | |\n", strings.Repeat(" |", strings.Count(firstByte, "|")))
			continue
		}
		added := []float64{f.addedP50, f.addedP99}
		if w.stream {
			added = append(added, f.addedFirstByteP50, f.addedFirstByteP99)
		}
		for _, figure := range added {
			if len(measured.cells[key{w, direct}]) > 0 {
				fmt.Fprintf(to, " %.2f", figure)
			}
			to.WriteString(" |")
		}
		fmt.Fprintf(to, " %.3f | %.0f |", f.cpu, f.memory)
		if name == carousel {
			fmt.Fprintf(to, " %.3f", f.roundTrips)
		}
		to.WriteString(" |\n")
	}
}

func ratio(s spread) string {
	if s == (spread{}) {
		return ""
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", s.median, s.low, s.high)
}

func renderParts(to *bytes.Buffer, p plan, system string, parts []*process, measured results) {
	to.WriteString("| |")
	for _, part := range parts {
		fmt.Fprintf(to, " %s, CPU s per 1,000 |", part.name)
	}
	for _, part := range parts {
		fmt.Fprintf(to, " %s, MiB |", part.name)
	}
	fmt.Fprintf(to, "\n|---|%s\n", strings.Repeat("---:|", 2*len(parts)))
	for _, w := range p.workloads {
		if len(measured.cells[key{w, system}]) == 0 {
			continue
		}
		f := measured.figures(w, system)
		fmt.Fprintf(to, "| %s |", w.title())
		for _, seconds := range f.cpuByPart {
			fmt.Fprintf(to, " %.3f |", seconds)
		}
		for _, size := range f.memoryByPart {
			fmt.Fprintf(to, " %.0f |", size)
		}
		to.WriteString("\n")
	}
}

func (b *bench) partsOf(name string) []*process {
	for _, s := range b.systems {
		if s.name == name {
			return s.parts
		}
	}
	return nil
}

func (b *bench) others(p plan, measured results) float64 {
	var shares []float64
	for _, w := range p.workloads {
		for _, s := range b.systems {
			shares = append(shares, measured.figures(w, s.name).others)
		}
	}
	return spreadOf(shares).median
}
