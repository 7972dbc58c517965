package admincli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/logentry"
)

type logPage struct {
	Logs   []logentry.Entry `json:"logs"`
	Newest string           `json:"newest"`
}

var logFilters = []string{"model", "status", "alias", "stream", "error", "from", "to"}

// newLogFilter defines the filters' flags and answers what makes a query of them.
func newLogFilter(flags *flag.FlagSet) func() url.Values {
	for _, name := range logFilters {
		flags.String(name, "", "")
	}
	return func() url.Values {
		query := url.Values{}
		for _, name := range logFilters {
			if value := flags.Lookup(name).Value.String(); value != "" {
				query.Set(name, value)
			}
		}
		return query
	}
}

func listLogs(flags *flag.FlagSet) run {
	filter, limit := newLogFilter(flags), flags.Uint("limit", 50, "")
	return func(ctx context.Context, s *session, _ []string) error {
		query := filter()
		query.Set("limit", strconv.FormatUint(uint64(*limit), 10))
		answer, err := s.api.get(ctx, "logs", query)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(answer)
		}
		page, err := read[logPage](answer, nil)
		if err != nil {
			return err
		}
		rows := newTable(s.Stdout, "ID", "BEGAN", "MODEL", "TOKEN", "STATUS", "FIRST BYTE", "TOTAL", "TOKENS", "ERROR")
		for _, e := range page.Logs {
			rows.row(e.ID, s.age(e.StartedAt), e.Model, tokenOf(e), strconv.FormatUint(uint64(e.HTTPStatus), 10)+" "+e.Status,
				milliseconds(e.FirstByteMS), milliseconds(e.TotalMS), usageOf(e), text(e.Error))
		}
		return rows.flush()
	}
}

func tokenOf(e logentry.Entry) string {
	if alias := text(e.TokenAlias); alias != "" {
		return alias
	}
	return text(e.TokenID)
}

// usageOf marks counts that are no upstream's own, and tells how much of the input came
// from a cache.
func usageOf(e logentry.Entry) string {
	usage := fmt.Sprintf("%d+%d", e.PromptTokens, e.CompletionTokens)
	if e.UsageSource != "reported" {
		usage = "~" + usage
	}
	if cached := e.CacheReadTokens; cached != nil && *cached > 0 {
		usage += fmt.Sprintf(" (%d cached)", *cached)
	}
	return usage
}

// dialectOf names the client's API, and tells when the upstream speaks another.
func dialectOf(e logentry.Entry) string {
	if e.Translated {
		return text(e.Dialect) + ", translated for the upstream"
	}
	return text(e.Dialect)
}

// inputOf tells of the caches, nothing where the upstream did not.
func inputOf(e logentry.Entry) string {
	if e.CacheReadTokens == nil || e.CacheWriteTokens == nil {
		return ""
	}
	parts := fmt.Sprintf("%d from cache, %d written to cache", *e.CacheReadTokens, *e.CacheWriteTokens)
	if hour := e.CacheWriteHourTokens; hour != nil && *hour > 0 {
		parts += fmt.Sprintf(", %d of them for an hour", *hour)
	}
	return parts
}

// outputOf tells of the thinking, nothing where the upstream did not.
func outputOf(e logentry.Entry) string {
	if e.ReasoningTokens == nil {
		return ""
	}
	return fmt.Sprintf("%d for thinking", *e.ReasoningTokens)
}

const (
	// tailEvery is how often the tail asks for news.
	tailEvery = time.Second
	// tailStart is how many entries it begins with, tailMost what it takes at once.
	tailStart = "10"
	tailMost  = "1000"
)

func tailLogs(flags *flag.FlagSet) run {
	filter := newLogFilter(flags)
	return func(ctx context.Context, s *session, _ []string) error {
		query := filter()
		query.Set("limit", tailStart)
		again := time.NewTicker(tailEvery)
		defer again.Stop()
		for {
			page, err := read[logPage](s.api.get(ctx, "logs", query))
			if ctx.Err() != nil {
				return nil // interrupted: that is how it ends
			}
			if err != nil {
				return err
			}
			for _, e := range slices.Backward(page.Logs) {
				if err := s.printTail(e); err != nil {
					return err
				}
			}
			query.Set("after", page.Newest)
			query.Set("limit", tailMost)
			select {
			case <-ctx.Done():
				return nil
			case <-again.C:
			}
		}
	}
}

func (s *session) printTail(e logentry.Entry) error {
	if s.json {
		return s.printValue(e)
	}
	began := ""
	if e.StartedAt != nil {
		began = e.StartedAt.Local().Format(time.TimeOnly)
	}
	line := fmt.Sprintf("%s  %d  %s  %s  %s  %s  %s", began, e.HTTPStatus, e.Model, tokenOf(e), milliseconds(e.TotalMS), usageOf(e), text(e.Error))
	_, err := io.WriteString(s.Stdout, printable(line)+"\n")
	return err
}

func showLog(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, args []string) error {
		answer, err := s.api.get(ctx, path("logs", args[0]), nil)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(answer)
		}
		e, err := read[logentry.Entry](answer, nil)
		if err != nil {
			return err
		}
		return errors.Join(fields(s.Stdout,
			"id", e.ID, "began", s.age(e.StartedAt), "dialect", dialectOf(e), "model", e.Model, "upstream", text(e.Upstream), "token", tokenOf(e),
			"stream", strconv.FormatBool(e.Stream), "status", fmt.Sprintf("%d %s, %s", e.HTTPStatus, e.Status, e.EndReason), "error", text(e.Error),
			"attempts", strconv.FormatUint(uint64(e.Attempts), 10), "first byte", milliseconds(e.FirstByteMS), "total", milliseconds(e.TotalMS),
			"usage", fmt.Sprintf("%d + %d tokens, %s", e.PromptTokens, e.CompletionTokens, e.UsageSource),
			"of the input", inputOf(e), "of the output", outputOf(e), "replica", e.Replica),
			s.printAttempts(e.AttemptLog), s.printPrompt(text(e.Prompt)))
	}
}

// printAttempts tells of attempts, unless the one that there is went well.
func (s *session) printAttempts(log []logentry.Attempt) error {
	if len(log) == 0 || len(log) == 1 && log[0].Class == nil {
		return nil
	}
	if _, err := io.WriteString(s.Stdout, "\n"); err != nil {
		return err
	}
	rows := newTable(s.Stdout, "ATTEMPT", "UPSTREAM", "MODEL", "TOKEN", "TOOK", "OUTCOME", "RULE", "EFFECT", "SAID")
	for i, a := range log {
		outcome := "success"
		if a.Class != nil {
			outcome = *a.Class
		}
		rows.row(strconv.Itoa(i+1), a.Upstream, a.Model, cmp.Or(text(a.TokenAlias), text(a.TokenID)), milliseconds(a.TotalMS), outcome, text(a.Rule), a.Effect, said(a))
	}
	return rows.flush()
}

// said is what the upstream said, in its own names and words.
func said(a logentry.Attempt) string {
	var parts []string
	if a.Status != nil {
		parts = append(parts, strconv.FormatUint(uint64(*a.Status), 10))
	}
	if a.Code != nil {
		parts = append(parts, *a.Code)
	}
	if a.Param != nil {
		parts = append(parts, "("+*a.Param+")")
	}
	if a.Message != nil {
		parts = append(parts, *a.Message)
	}
	return strings.Join(parts, " ")
}

func (s *session) printPrompt(prompt string) error {
	if prompt == "" {
		return nil
	}
	_, err := fmt.Fprintf(s.Stdout, "\n%s\n", printable(prompt))
	return err
}
