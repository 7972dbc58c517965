package pairs_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// upstreamUsage reads the counts that an upstream's answer ends with: of a stream the last
// that it tells of each.
func upstreamUsage(t *testing.T, path, body string) usage {
	t.Helper()
	var told usage
	found := false
	for line := range strings.SplitSeq(body, "\n") {
		data, _ := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		var frame struct {
			Usage   map[string]any `json:"usage"`
			Message struct {
				Usage map[string]any `json:"usage"`
			} `json:"message"`
			Response struct {
				Usage map[string]any `json:"usage"`
			} `json:"response"`
		}
		if json.Unmarshal([]byte(data), &frame) != nil {
			continue
		}
		for _, counts := range []map[string]any{frame.Message.Usage, frame.Response.Usage, frame.Usage} {
			if counts == nil {
				continue
			}
			found = true
			if path == "/v1/responses" {
				details, _ := counts["input_tokens_details"].(map[string]any)
				told = usage{prompt: number(counts["input_tokens"]), cached: number(details["cached_tokens"]), output: number(counts["output_tokens"])}
				continue
			}
			if path == "/v1/chat/completions" {
				details, _ := counts["prompt_tokens_details"].(map[string]any)
				told = usage{prompt: number(counts["prompt_tokens"]), cached: number(details["cached_tokens"]), output: number(counts["completion_tokens"])}
				continue
			}
			if _, whole := counts["input_tokens"]; whole {
				told.cached = number(counts["cache_read_input_tokens"])
				told.prompt = number(counts["input_tokens"]) + told.cached + number(counts["cache_creation_input_tokens"])
			}
			told.output = number(counts["output_tokens"])
		}
	}
	if !found {
		t.Fatalf("no usage in %s", body)
	}
	return told
}

func number(value any) int64 {
	count, _ := value.(float64)
	return int64(count)
}
