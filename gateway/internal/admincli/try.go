package admincli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/tokenform"
)

func (s *session) try() *cobra.Command {
	c := &cobra.Command{
		Use: "try MODEL [TEXT…]", Short: "Ask a model, the way any client does", Args: between(1, -1),
		Long: `Asks a model by way of /v1/chat/completions, and prints its answer. Without TEXT the question is
read from standard input.`,
		Example: s.examples("try gpt-4o 'Hello!'", "try gpt-4o 'Hello!' --token work", "try fast < question.txt"),
	}
	prefix := c.Flags().String("route-prefix", s.Getenv("ROUTE_PREFIX"), "`PATH` in front of the gateway's /v1 routes")
	token := c.Flags().String("token", "", "the `TOKEN` with this id or alias serves, and no other")
	return s.runs(c, func(ctx context.Context, args []string) error {
		question := strings.Join(args[1:], " ")
		if question == "" {
			var err error
			if question, err = s.readFile("-"); err != nil {
				return err
			}
		}
		header, err := s.choosing(ctx, *token)
		if err != nil {
			return err
		}
		answer, err := s.api.sendWith(ctx, http.MethodPost, under(*prefix, "/v1/chat/completions"), header, map[string]any{
			"model": args[0], "messages": []map[string]string{{"role": "user", "content": question}},
		})
		return showAs(s, answer, err, "choices", s.printReply)
	})
}

// choosing is the header of a request that one token alone serves; empty where any may.
func (s *session) choosing(ctx context.Context, name string) (http.Header, error) {
	header := http.Header{}
	if name == "" {
		return header, nil
	}
	id, err := s.tokenID(ctx, name)
	if err != nil {
		return nil, err
	}
	token, err := read[tokenform.Token](s.api.get(ctx, path("tokens", id), nil))
	header.Set("X-Carousel-Token", token.Upstream+"/"+id)
	return header, err
}

// under is a route of the gateway below a prefix.
func under(prefix, route string) string {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		return "/" + prefix + route
	}
	return route
}

// reply is what a model answered.
type reply struct {
	Choices []struct {
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage struct {
		PromptTokens     uint64 `json:"prompt_tokens"`
		CompletionTokens uint64 `json:"completion_tokens"`
	} `json:"usage"`
}

func (s *session) printReply(r reply) error {
	for _, choice := range r.Choices {
		if _, err := io.WriteString(s.Stdout, printable(choice.Message.Content)+"\n"); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(s.Stderr, "(%s; %d + %d tokens)\n", printable(choice.FinishReason), r.Usage.PromptTokens, r.Usage.CompletionTokens)
	}
	return nil
}
