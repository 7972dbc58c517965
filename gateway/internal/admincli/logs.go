package admincli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/logentry"
)

type logPage struct {
	Logs []logentry.Entry `json:"logs"`
}

func (s *session) logs() *cobra.Command {
	return group("logs", "The request log", s.listLogs(), s.tailLogs(), s.showLog(), s.exportLogs())
}

// logQuery defines the flags by which entries are chosen.
func (s *session) logQuery(c *cobra.Command) *query {
	return s.query(c).text("model", "model", "only requests for the model `ID`").oneOf("status", "status", "only those that ended in a `STATUS`", "success", "failure").
		text("alias", "alias", "only those of the token with the `ALIAS`").text("token", "token_id", "only those of the token with the `ID`").
		text("key", "key_id", "only those of the client key with the `ID`").text("upstream", "upstream", "only those at the upstream `NAME`").
		oneOf("stream", "stream", "only those that were streamed, or not (`BOOL`)", "true", "false").text("error", "error", "only those with `TEXT` in their error").
		text("kind", "error_kind", "only those that failed with an error of the `KIND`, such as rate_limited").
		oneOf("retried", "retried", "only those that were sent to an upstream more than once (`BOOL`)", "true", "false").
		text("min-total", "min_total", "only those that took at least `TIME`, such as 10s").span()
}

func (s *session) listLogs() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List requests, newest first",
		Example: s.examples("logs list --from 1h --status failure", "logs list --key abcdefghijklmnop --from 2026-01-01 --limit 1000 -o csv"),
	}
	query, limit := s.logQuery(c), c.Flags().Uint("limit", 50, "at most `N` requests, up to 1000")
	prompts := c.Flags().Bool("prompts", false, "with their prompts, in JSON, YAML and CSV")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		parameters := query.values()
		parameters.Set("limit", strconv.FormatUint(uint64(*limit), 10))
		if *prompts {
			parameters.Set("prompts", "true")
		}
		answer, err := s.api.get(ctx, "logs", parameters)
		return showAs(s, answer, err, "logs", func(page logPage) error {
			rows := s.table("ID", "BEGAN", "MODEL", "CALLER", "TOKEN", "STATUS", "FIRST BYTE", "TOTAL", "TOKENS", "COST", "ERROR")
			for _, e := range page.Logs {
				rows.row(e.ID, s.age(e.StartedAt), e.Model, callerOf(e), tokenOf(e), count(e.HTTPStatus)+" "+e.Status,
					milliseconds(e.FirstByteMS), milliseconds(e.TotalMS), usageOf(e), costOf(e), text(e.Error))
			}
			return rows.flush()
		})
	})
}

func (s *session) exportLogs() *cobra.Command {
	c := &cobra.Command{
		Use: "export", Short: "Write requests to a file, newest first, at most 10,000",
		Example: s.examples("logs export --from 7d > requests.csv", "logs export --status failure --format jsonl > failed.jsonl"),
	}
	query, format := s.logQuery(c), oneOf(c, "format", "what the file is: `FORMAT`; csv by default", "csv", "jsonl")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		parameters := query.values()
		parameters.Set("format", cmp.Or(*format, "csv"))
		return s.printFile(ctx, "logs", parameters)
	})
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

// callerOf names the client key that was used, or what else let the caller in.
func callerOf(e logentry.Entry) string {
	return cmp.Or(text(e.KeyName), text(e.KeyID), text(e.Caller))
}

// costOf is in US dollars, and marks costs of counts that are no upstream's own.
func costOf(e logentry.Entry) string {
	switch {
	case e.CostUSD == nil:
		return text(e.CostQuality)
	case text(e.CostQuality) != "reported":
		return "~" + *e.CostUSD
	default:
		return *e.CostUSD
	}
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

func (s *session) tailLogs() *cobra.Command {
	c := &cobra.Command{
		Use: "tail", Short: "Follow the request log until it is interrupted",
		Example: s.examples("logs tail --status failure", "logs tail --model gpt-4o -o json"),
	}
	query := s.logQuery(c)
	return s.runs(c, func(ctx context.Context, _ []string) error { return s.follow(ctx, query.values()) })
}

// follow prints entries as they come. That it is interrupted is how it ends.
func (s *session) follow(ctx context.Context, query url.Values) error {
	query.Set("limit", tailStart)
	again := time.NewTicker(tailEvery)
	defer again.Stop()
	for {
		page, err := read[rawLogPage](s.api.get(ctx, "logs", query))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, entry := range slices.Backward(page.Logs) {
			if err := showAs(s, entry, nil, "", s.printTail); err != nil {
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

// rawLogPage has entries as the API wrote them.
type rawLogPage struct {
	Logs   []json.RawMessage `json:"logs"`
	Newest string            `json:"newest"`
}

func (s *session) printTail(e logentry.Entry) error {
	began := ""
	if e.StartedAt != nil {
		began = e.StartedAt.Local().Format(time.TimeOnly)
	}
	code := s.styled(stateStyles[e.Status], count(e.HTTPStatus))
	rest := fmt.Sprintf("%s  %s  %s  %s  %s", e.Model, tokenOf(e), milliseconds(e.TotalMS), usageOf(e), text(e.Error))
	_, err := io.WriteString(s.Stdout, began+"  "+code+"  "+printable(rest)+"\n")
	return err
}

func (s *session) showLog() *cobra.Command {
	c := &cobra.Command{
		Use: "show ID", Short: "Show one request, with its attempts and its prompt", Args: exactly(1),
		Long:    "Shows one request, with its attempts and its prompt. ID is the answer's or its X-Request-Id.",
		Example: s.examples("logs show chatcmpl-9f2c1e"),
	}
	return s.runs(c, func(ctx context.Context, args []string) error {
		answer, err := s.api.get(ctx, path("logs", args[0]), nil)
		return showAs(s, answer, err, "", s.printLog)
	})
}

func (s *session) printLog(e logentry.Entry) error {
	return errors.Join(s.fields(
		"id", e.ID, "began", s.age(e.StartedAt), "caller", text(e.Caller), "key", strings.TrimSpace(text(e.KeyID)+" "+text(e.KeyName)), "dialect", dialectOf(e), "model", e.Model, "upstream", text(e.Upstream),
		"served model", text(e.ServedModel), "token", tokenOf(e),
		"stream", strconv.FormatBool(e.Stream), "status", fmt.Sprintf("%d %s, %s", e.HTTPStatus, e.Status, e.EndReason), "error", text(e.Error),
		"attempts", count(e.Attempts), "first byte", milliseconds(e.FirstByteMS), "total", milliseconds(e.TotalMS),
		"usage", fmt.Sprintf("%d + %d tokens, %s", e.PromptTokens, e.CompletionTokens, e.UsageSource),
		"of the input", inputOf(e), "of the output", outputOf(e), "cost", costOf(e), "replica", e.Replica, "trace", text(e.TraceID)),
		s.printAttempts(e.AttemptLog), s.printHeaders(e), s.printPrompt(text(e.Prompt)))
}

// printAttempts tells of attempts, unless the one that there is went well.
func (s *session) printAttempts(log []logentry.Attempt) error {
	if len(log) == 0 || len(log) == 1 && log[0].Class == nil {
		return nil
	}
	if _, err := io.WriteString(s.Stdout, "\n"); err != nil {
		return err
	}
	rows := s.table("ATTEMPT", "UPSTREAM", "MODEL", "TOKEN", "TOOK", "OUTCOME", "RULE", "EFFECT", "SAID")
	for i, a := range log {
		outcome := "success"
		if a.Class != nil {
			outcome = *a.Class
		}
		rows.row(strconv.Itoa(i+1), a.Upstream, a.Model, cmp.Or(text(a.TokenAlias), text(a.TokenID)), milliseconds(a.TotalMS), outcome, text(a.Rule), s.effectOf(a), said(a))
	}
	return rows.flush()
}

// printHeaders shows those of what failed.
func (s *session) printHeaders(e logentry.Entry) error {
	if len(e.ClientHeaders) == 0 {
		return nil
	}
	if _, err := io.WriteString(s.Stdout, "\n"); err != nil {
		return err
	}
	rows := s.table("HEADERS OF", "NAME", "VALUE")
	add := func(of string, headers []logentry.Header) {
		for _, each := range headers {
			value := "(not kept)"
			if each.Value != nil {
				value = *each.Value
			}
			rows.row(of, each.Name, value)
		}
	}
	add("the client", e.ClientHeaders)
	for i, a := range e.AttemptLog {
		add(fmt.Sprintf("attempt %d", i+1), a.SentHeaders)
		add(fmt.Sprintf("answer to %d", i+1), a.ReceivedHeaders)
	}
	return rows.flush()
}

// effectOf is what an attempt did to its token, and what ended that; where it is not known, what it
// may have done.
func (s *session) effectOf(a logentry.Attempt) string {
	did := a.Consequence
	if did == nil || did.Kind == "unknown" {
		return a.Effect
	}
	words := []string{did.Kind}
	if did.Model != nil {
		words = append(words, "for "+*did.Model)
	}
	switch {
	case did.Ended != nil:
		words = append(words, "("+*did.Ended+")")
	case did.Until != nil:
		words = append(words, "until "+s.age(did.Until))
	}
	return strings.Join(words, " ")
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
