package admincli

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/notifyform"
)

func (s *session) notifications() *cobra.Command {
	c := group(
		"notifications", "Who is told of what is wrong, and what was told",
		s.listDestinations(), s.addDestination(), s.setDestination(), s.deleteDestination(), s.testDestination(),
		s.listAlerts(), s.listDeliveries(), s.silence(), s.listSilences(), s.unsilence(),
	)
	c.Long = `Webhooks, chat services and mail addresses that are told once when something is wrong, and once when
it is over, whatever the number of tokenstores.`
	return c
}

// askNotifications shows a part of them.
func (s *session) askNotifications(c *cobra.Command, rows string, show func(notifyform.Notifications) error) *cobra.Command {
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "notifications", nil)
		return showAs(s, answer, err, rows, show)
	})
}

func (s *session) listAlerts() *cobra.Command {
	c := &cobra.Command{
		Use: "alerts", Short: "List what is wrong now", Example: s.examples("notifications alerts", "notifications alerts -o csv"),
		Long: `Lists what is wrong now. Nothing is judged while there is no destination.`,
	}
	return s.askNotifications(c, "alerts", func(now notifyform.Notifications) error {
		rows := s.table("ALERT", "OF", "SEVERITY", "STATE", "SINCE", "TOLD", "WHAT")
		for _, a := range now.Alerts {
			var labels []string
			for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
				labels = append(labels, a.Labels[name])
			}
			rows.row(a.Name, strings.Join(labels, ", "), a.Severity, a.State(), s.age(a.Since), count(uint32(len(a.Told))), a.Summary) //nolint:gosec // few
		}
		return rows.flush()
	})
}

func (s *session) listDeliveries() *cobra.Command {
	c := &cobra.Command{Use: "deliveries", Short: "List the last attempts to tell somebody", Example: s.examples("notifications deliveries", "notifications deliveries -o json")}
	return s.askNotifications(c, "deliveries", func(now notifyform.Notifications) error {
		rows := s.table("AT", "DESTINATION", "OUTCOME", "ATTEMPT", "FIRING", "OVER", "ALERTS", "WHY")
		for _, d := range now.Deliveries {
			rows.row(s.age(d.At), d.DestinationName, d.Outcome, count(d.Attempt), count(d.Firing), count(d.Resolved), strings.Join(d.Alerts, ", "), text(d.Detail))
		}
		return rows.flush()
	})
}

func (s *session) listSilences() *cobra.Command {
	c := &cobra.Command{Use: "silences", Short: "List the silences that have not ended", Example: s.examples("notifications silences")}
	return s.askNotifications(c, "silences", func(now notifyform.Notifications) error {
		rows := s.table("ID", "ALERT", "UPSTREAM", "ENDS", "COMMENT")
		for _, each := range now.Silences {
			rows.row(each.ID, cmp.Or(text(each.Alert), "any"), cmp.Or(text(each.Upstream), "any"), s.age(each.Until), each.Comment)
		}
		return rows.flush()
	})
}

func (s *session) silence() *cobra.Command {
	c := &cobra.Command{
		Use: "silence", Short: "Keep alerts from being told for a time",
		Long:    `Keeps alerts from being told for a time. The end of what was told before is told all the same.`,
		Example: s.examples("notifications silence --for 2h --upstream cursor --comment maintenance", "notifications silence --for 1d --alert CarouselTokenParked"),
	}
	flags := c.Flags()
	lasts, alert := flags.String("for", "1h", "how `LONG`, such as 30m, 12h or 7d"), flags.String("alert", "", "only alerts of this `NAME`")
	upstream, comment := flags.String("upstream", "", "only those of the upstream `NAME`"), flags.String("comment", "", "why (`TEXT`)")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		length, err := lengthOf(*lasts)
		if err != nil {
			return misuse("--for: %w", err)
		}
		body := map[string]string{"alert": *alert, "upstream": *upstream, "comment": *comment, "until": s.Now().Add(length).UTC().Format(time.RFC3339)}
		answer, err := s.api.send(ctx, http.MethodPost, "notifications/silences", body)
		return showAs(s, answer, err, "", func(created notifyform.Silence) error {
			s.say("%s silences until %s", created.ID, local(created.Until))
			return nil
		})
	})
}

func (s *session) unsilence() *cobra.Command {
	c := &cobra.Command{Use: "unsilence ID…", Short: "End silences", Args: oneOrMore(), Example: s.examples("notifications unsilence sabcdefghijklmnop")}
	return s.runs(c, func(ctx context.Context, ids []string) error {
		return s.forEach(ctx, ids, "ended", func(ctx context.Context, id string) ([]byte, error) {
			return s.api.send(ctx, http.MethodDelete, path("notifications", "silences", id), nil)
		})
	})
}
