package admincli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// quotaPool is what the accounts of an upstream have left, as far as people are told.
type quotaPool struct {
	Upstream    string         `json:"upstream"`
	Left        uint64         `json:"left"`
	Limit       uint64         `json:"limit"`
	Unlimited   int            `json:"unlimited"`
	Unknown     int            `json:"unknown"`
	RatePerHour float64        `json:"rate_per_hour"`
	DryAt       *time.Time     `json:"dry_at"`
	Accounts    []quotaAccount `json:"accounts"`
}

type quotaAccount struct {
	TokenID    string `json:"token_id"`
	Alias      string `json:"alias"`
	State      string `json:"state"`
	Membership string `json:"membership"`
	Quotas     []struct {
		Name  string  `json:"name"`
		Unit  string  `json:"unit"`
		Used  uint64  `json:"used"`
		Limit *uint64 `json:"limit"`
		Left  *uint64 `json:"left"`
	} `json:"quotas"`
	ResetsAt *time.Time `json:"resets_at"`
	AsOf     *time.Time `json:"as_of"`
	Error    *string    `json:"error"`
}

func (s *session) quotas() *cobra.Command {
	c := &cobra.Command{
		Use: "quotas", Short: "Show what the accounts have left, and how far each pool reaches",
		Example: s.examples("quotas", "quotas --upstream cursor -o csv"),
	}
	query := s.query(c).text("upstream", "upstream", "only those of the upstream `NAME`")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "quotas", query.values())
		return showAs(s, answer, err, "pools.accounts", func(board struct {
			Pools []quotaPool `json:"pools"`
		},
		) error {
			return s.printQuotas(board.Pools)
		})
	})
}

func (s *session) printQuotas(pools []quotaPool) error {
	rows := s.table("UPSTREAM", "ID", "ALIAS", "STATE", "PLAN", "LEFT", "RESETS", "ASKED", "ERROR")
	for _, pool := range pools {
		for _, a := range pool.Accounts {
			rows.row(pool.Upstream, a.TokenID, a.Alias, a.State, a.Membership, a.left(), s.age(a.ResetsAt), s.age(a.AsOf), text(a.Error))
		}
	}
	if err := rows.flush(); err != nil {
		return err
	}
	for _, pool := range pools {
		s.say("%s: %s", pool.Upstream, s.reach(pool))
	}
	return nil
}

// left tells each quota: `premium 138/150 requests`, or what is used where there is no
// limit.
func (a quotaAccount) left() string {
	var parts []string
	for _, q := range a.Quotas {
		if q.Limit == nil && q.Used == 0 {
			continue // it tells nothing
		}
		count := strconv.FormatUint(q.Used, 10) + " used"
		if q.Left != nil && q.Limit != nil {
			count = strconv.FormatUint(*q.Left, 10) + "/" + strconv.FormatUint(*q.Limit, 10)
		}
		parts = append(parts, strings.Join([]string{q.Name, count, q.Unit}, " "))
	}
	return strings.Join(parts, ", ")
}

// reach tells how far a pool reaches.
func (s *session) reach(p quotaPool) string {
	rate := strconv.FormatFloat(p.RatePerHour, 'f', 0, 64) + " requests an hour"
	var sentence string
	switch {
	case p.DryAt != nil:
		sentence = "dry " + s.age(p.DryAt) + " at " + rate
	case p.Unlimited > 0:
		sentence = strconv.Itoa(p.Unlimited) + " accounts without a limit"
	case p.Limit == 0:
		return "no account has told its limit"
	default:
		sentence = "lasts at " + rate
	}
	sentence += "; " + strconv.FormatUint(p.Left, 10) + " of " + strconv.FormatUint(p.Limit, 10) + " left"
	if p.Unknown > 0 {
		sentence += "; " + strconv.Itoa(p.Unknown) + " accounts unknown"
	}
	return sentence
}
