package admincli

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (s *session) audit() *cobra.Command {
	return group("audit", "What admins did and what happened, and its undo", s.listAudit(), s.listActivity(), s.showChange(), s.undoChange())
}

type auditEntry struct {
	At        *time.Time        `json:"at"`
	Action    string            `json:"action"`
	Actor     string            `json:"actor"`
	RemoteIP  string            `json:"remote_ip"`
	RequestID *string           `json:"request_id"`
	Details   map[string]string `json:"details"`
	Undoable  bool              `json:"undoable"`
}

func (s *session) listAudit() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List what admins did, newest first", Example: s.examples("audit list", "audit list --limit 1000 -o csv")}
	limit := c.Flags().Uint("limit", 50, "at most `N` entries, up to 1000")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "audit", values("limit", strconv.FormatUint(uint64(*limit), 10)))
		return showAs(s, answer, err, "entries", func(page struct {
			Entries []auditEntry `json:"entries"`
		},
		) error {
			rows := s.table("AT", "WHAT", "BY", "FROM", "REQUEST", "UNDO", "DETAILS")
			for _, e := range page.Entries {
				rows.row(s.age(e.At), e.Action, e.Actor, e.RemoteIP, text(e.RequestID), e.undo(), detailsOf(e))
			}
			return rows.flush()
		})
	})
}

func (e auditEntry) undo() string {
	if e.Undoable {
		return "can be undone"
	}
	return ""
}

// detailsOf are such as `count=2 token_id=t1`.
func detailsOf(e auditEntry) string {
	said := make([]string, 0, len(e.Details))
	for _, name := range slices.Sorted(maps.Keys(e.Details)) {
		said = append(said, name+"="+e.Details[name])
	}
	return strings.Join(said, " ")
}

type undoReport struct {
	Undone   int `json:"undone"`
	Failed   int `json:"failed"`
	Failures []struct {
		What   string `json:"what"`
		Reason string `json:"reason"`
	} `json:"failures"`
}

func (s *session) undoChange() *cobra.Command {
	c := &cobra.Command{
		Use: "undo REQUEST", Short: "Undo what one request of an admin did", Args: exactly(1),
		Long: `Undoes what one request of an admin did; audit list has the ids. Deletions of tokens and keys
can be undone for 24 hours. What somebody has changed since stays and is named, and the exit code is
1 then.`,
		Example: s.examples("audit undo 4f0c2b7e91d3"),
	}
	return s.runs(c, func(ctx context.Context, args []string) error {
		answer, err := s.api.send(ctx, http.MethodPost, path("audit", args[0], "undo"), nil)
		report, err := read[undoReport](answer, err)
		if err != nil {
			return err
		}
		err = s.show(answer, "", func() error {
			s.say("%d undone, %d not", report.Undone, report.Failed)
			for _, each := range report.Failures {
				s.say("%s: %s", each.What, each.Reason)
			}
			return nil
		})
		if err == nil && report.Failed > 0 {
			err = fmt.Errorf("%d of %d could not be undone", report.Failed, report.Failed+report.Undone)
		}
		return err
	})
}
