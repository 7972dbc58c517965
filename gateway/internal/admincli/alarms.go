package admincli

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"
)

func (s *session) acknowledge() *cobra.Command {
	c := &cobra.Command{
		Use: "acknowledge UPSTREAM CLASS [MODEL]", Short: "Say that you know what the tokens of an upstream fail for alike", Args: between(2, 3),
		Long: `Says that you know what the tokens of an upstream fail for alike: the pages show the alarm quietly,
until that is over or a day has passed. The fleet tells the classes and models.`,
		Example: s.examples("acknowledge cursor outdated_client gpt-4o"),
	}
	return s.runs(c, func(ctx context.Context, args []string) error {
		body := map[string]string{"upstream": args[0], "class": args[1]}
		if len(args) > 2 {
			body["model"] = args[2]
		}
		if _, err := s.api.send(ctx, http.MethodPost, "alarms/acknowledge", body); err != nil {
			return err
		}
		s.say("acknowledged: %s of %s", args[1], args[0])
		return nil
	})
}
