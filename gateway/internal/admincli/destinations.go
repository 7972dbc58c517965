package admincli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"carousel.internal/gateway/internal/notifyform"
)

// where is what may be shown of a destination's address.
func where(d notifyform.Destination) string {
	switch {
	case d.Mail != nil:
		return strings.Join(d.Mail.To, ", ") + " by " + d.Mail.Server
	case d.Chat != nil:
		return text(d.MaskedURL) + " " + *d.Chat
	default:
		return text(d.MaskedURL)
	}
}

func (s *session) listDestinations() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the destinations", Example: s.examples("notifications list", "notifications list -o yaml")}
	return s.askNotifications(c, "destinations", func(now notifyform.Notifications) error {
		rows := s.table("ID", "NAME", "KIND", "STATE", "WHERE", "FROM", "ALERTS", "RECOVERIES")
		for _, d := range now.Destinations {
			told, state := "yes", "enabled"
			if !d.Recoveries {
				told = "no"
			}
			if d.Disabled {
				state = "disabled"
			}
			rows.row(d.ID, d.Name, d.Kind, state, where(d), d.Severity, cmp.Or(strings.Join(d.Alerts, ", "), "all"), told)
		}
		return rows.flush()
	})
}

// destinationChange are the flags that say what a destination is. What is secret comes from files:
// a command line can be read by every process of the machine.
type destinationChange struct {
	flags                                          *pflag.FlagSet
	urlFile, secretFile                            *string
	severity, language                             *string
	alerts, to                                     words
	recoveries                                     *bool
	chat, server, security, username, from, called *string
}

func newDestinationChange(c *cobra.Command) *destinationChange {
	flags := c.Flags()
	change := &destinationChange{
		flags: flags, called: flags.String("name", "", "what you call it (`NAME`)"),
		urlFile:    flags.String("webhook-file", "", "`FILE` that holds the webhook's URL; - is standard input"),
		secretFile: flags.String("secret-file", "", "`FILE` that holds the secret: a webhook's bearer token, what Feishu or DingTalk is signed to with, the token of Telegram's bot, the mail server's password; an empty one takes it away"),
		severity:   oneOf(c, "severity", "tell what matters so much at least", notifyform.Severities...),
		language:   oneOf(c, "language", "tell it in", notifyform.Languages...),
		recoveries: flags.Bool("recoveries", true, "tell also when it is over"),
		chat:       flags.String("chat", "", "the `ID` of the chat at Telegram"),
		server:     flags.String("server", "", "`HOST:PORT` of the mail server"),
		security:   oneOf(c, "security", "how the mail server is spoken to", notifyform.Securities...),
		username:   flags.String("username", "", "the `NAME` to log in to the mail server with; empty: without"),
		from:       flags.String("from", "", "the `ADDRESS` that mail comes from"),
	}
	flags.Var(&change.alerts, "alert", "tell only alerts of this `NAME`, may be repeated; empty: all")
	flags.Var(&change.to, "to", "an `ADDRESS` that mail goes to, may be repeated")
	return change
}

// body has what was named on the command line, and nothing else.
func (d *destinationChange) body(s *session) (map[string]any, error) {
	body, mail := map[string]any{}, map[string]any{}
	var failed error
	d.flags.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "name":
			body["name"] = *d.called
		case "severity":
			body["severity"] = *d.severity
		case "language":
			body["language"] = *d.language
		case "alert":
			body["alerts"] = append([]string{}, d.alerts...)
		case "recoveries":
			body["recoveries"] = *d.recoveries
		case "chat":
			body["chat"] = *d.chat
		case "server":
			mail["server"] = *d.server
		case "security":
			mail["security"] = *d.security
		case "username":
			mail["username"] = *d.username
		case "from":
			mail["from"] = *d.from
		case "to":
			mail["to"] = append([]string{}, d.to...)
		case "webhook-file":
			failed = errors.Join(failed, readInto(s, body, "url", *d.urlFile))
		case "secret-file":
			failed = errors.Join(failed, readInto(s, body, "secret", *d.secretFile))
		}
	})
	if len(mail) > 0 {
		body["mail"] = mail
	}
	return body, failed
}

func readInto(s *session, body map[string]any, name, file string) error {
	content, err := s.readFile(file)
	body[name] = strings.TrimSpace(content)
	return err
}

func (s *session) addDestination() *cobra.Command {
	c := &cobra.Command{
		Use: "add KIND NAME", Short: "Tell another destination", Args: exactly(2),
		Long: `Adds a destination of the kind webhook, slack, feishu, wecom, dingtalk, telegram or mail. What fires
already is told to it at once.`,
		Example: s.examples(
			"notifications add slack team --webhook-file url.txt --severity warning",
			"notifications add feishu ops --webhook-file url.txt --secret-file sign.txt --language zh",
			"notifications add telegram me --chat 123456 --secret-file bot.txt",
			"notifications add mail us --server mail.example.com:587 --username carousel --secret-file password.txt --from carousel@example.com --to ops@example.com",
		),
	}
	change := newDestinationChange(c)
	return s.runs(c, func(ctx context.Context, args []string) error {
		body, err := change.body(s)
		if err != nil {
			return err
		}
		body["kind"], body["name"] = args[0], args[1]
		answer, err := s.api.send(ctx, http.MethodPost, "notifications/destinations", body)
		return showAs(s, answer, err, "", func(created notifyform.Destination) error {
			s.say("%s is told from now on; try it with: %s", created.Name, s.typed("notifications test "+created.ID))
			return nil
		})
	})
}

func (s *session) setDestination() *cobra.Command {
	c := &cobra.Command{
		Use: "set ID", Short: "Change a destination, or tell it nothing for now", Args: exactly(1),
		Long:    "Changes what is said of a destination; all else stays. What is said of mail replaces all of that.",
		Example: s.examples("notifications set dabcdefghijklmnop --severity critical", "notifications set dabcdefghijklmnop --disabled"),
	}
	change := newDestinationChange(c)
	disabled := c.Flags().Bool("disabled", false, "tell it nothing")
	return s.runs(c, func(ctx context.Context, args []string) error {
		body, err := change.body(s)
		if err != nil {
			return err
		}
		if c.Flags().Changed("disabled") {
			body["disabled"] = *disabled
		}
		if len(body) == 0 {
			return misuse("say what is to change, such as --severity warning")
		}
		answer, err := s.api.send(ctx, http.MethodPatch, path("notifications", "destinations", args[0]), body)
		return showAs(s, answer, err, "", func(changed notifyform.Destination) error {
			s.say("%s is changed", changed.Name)
			return nil
		})
	})
}

func (s *session) deleteDestination() *cobra.Command {
	c := &cobra.Command{Use: "delete ID…", Short: "Delete destinations", Args: oneOrMore(), Example: s.examples("notifications delete dabcdefghijklmnop")}
	return s.runs(c, func(ctx context.Context, ids []string) error {
		return s.forEach(ctx, ids, "deleted", func(ctx context.Context, id string) ([]byte, error) {
			return s.api.send(ctx, http.MethodDelete, path("notifications", "destinations", id), nil)
		})
	})
}

func (s *session) testDestination() *cobra.Command {
	c := &cobra.Command{Use: "test ID", Short: "Tell a destination that this is a test", Args: exactly(1), Example: s.examples("notifications test dabcdefghijklmnop")}
	return s.runs(c, func(ctx context.Context, args []string) error {
		answer, err := s.api.send(ctx, http.MethodPost, path("notifications", "destinations", args[0], "test"), nil)
		came, err := read[notifyform.Delivery](answer, err)
		if err != nil {
			return err
		}
		if err := s.show(answer, "", func() error {
			s.say("%s: %s", came.DestinationName, came.Outcome)
			return nil
		}); err != nil || came.Outcome == "delivered" {
			return err
		}
		return fmt.Errorf("%s was not told: %s", came.DestinationName, text(came.Detail))
	})
}
