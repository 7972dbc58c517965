package admincli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// logBucket is what the requests of one step of time were.
type logBucket struct {
	Start            *time.Time `json:"start"`
	Requests         uint64     `json:"requests"`
	Failures         uint64     `json:"failures"`
	PromptTokens     uint64     `json:"prompt_tokens"`
	CompletionTokens uint64     `json:"completion_tokens"`
	CacheReadTokens  uint64     `json:"cache_read_tokens"`
	TotalP50MS       *float64   `json:"total_p50_ms"`
	TotalP95MS       *float64   `json:"total_p95_ms"`
	FirstByteP50MS   *float64   `json:"first_byte_p50_ms"`
	FirstByteP95MS   *float64   `json:"first_byte_p95_ms"`
}

func (s *session) stats() *cobra.Command {
	c := &cobra.Command{
		Use: "stats", Short: "Show requests, failures, tokens and latency by time",
		Long: `Shows requests, failures, tokens and latency by time: of the last hour by the minute, or of
another time by another step.`,
		Example: s.examples("stats", "stats --from 1d --step 1h -o csv"),
	}
	query := s.query(c).span().text("step", "step", "a row for each `STEP` of time: whole minutes, such as 5m or 1h")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "stats", query.values())
		return showAs(s, answer, err, "buckets", func(list struct {
			Buckets []logBucket `json:"buckets"`
		},
		) error {
			return s.printStats(list.Buckets)
		})
	})
}

func (s *session) printStats(buckets []logBucket) error {
	rows := s.table("FROM", "REQUESTS", "FAILURES", "INPUT", "CACHED", "OUTPUT", "FIRST BYTE P50", "P95", "TOTAL P50", "P95")
	for _, b := range buckets {
		rows.row(local(b.Start), count(b.Requests), count(b.Failures), count(b.PromptTokens), count(b.CacheReadTokens), count(b.CompletionTokens),
			milliseconds(b.FirstByteP50MS), milliseconds(b.FirstByteP95MS), milliseconds(b.TotalP50MS), milliseconds(b.TotalP95MS))
	}
	return rows.flush()
}
