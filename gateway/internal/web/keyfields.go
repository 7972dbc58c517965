package web

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/keyform"
	"carousel.internal/gateway/internal/pattern"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// spareBudgets is how many empty lines for more budgets the form has.
	spareBudgets = 2
	// maxBudgets is how many different ones there can be.
	maxBudgets = 12
)

// Bounds of a key, as the contract has them.
const (
	mostKeyName   = 100
	mostKeyTags   = 16
	mostKeyTag    = 64
	mostKeyModels = 100
	mostKeyModel  = 200
	mostKeyNets   = 100
)

// Choices of the field for a key's end, beside numbers of days.
const (
	expiresNever = "never"
	expiresAsIs  = "keep"
	expiresOn    = "date"
)

// keyFields are a client key as it is edited: all is text until it is saved.
type keyFields struct {
	// New: there is no such key yet.
	New     bool
	ID      string
	Version uint64
	// Tags have commas between them; Models and Networks are one a line.
	Name, Tags, Models, Networks string
	// Chosen are the scopes.
	Chosen []string
	// Expiry is a choice, or a number of days; ExpiryDate is the last day.
	Expiry, ExpiryDate string
	// ExpiresAt is the end as it is stored; nil: never.
	ExpiresAt *timestamppb.Timestamp
	// Requests and Tokens are a minute, Parallel at a time.
	Requests, Tokens, Parallel string
	Budgets                    []keyform.Budget
	problems                   map[string]string
}

func newKeyFields() keyFields { return keyFields{New: true, Expiry: expiresNever}.widened() }

// keyFieldsOf is the form for a key that is stored.
func keyFieldsOf(key *tokenstorev1.ClientKey) keyFields {
	limits, budgets := keyform.LimitsOf(key.GetLimits())
	fields := keyFields{
		ID: key.GetId(), Version: key.GetVersion(), Name: key.GetName(), Tags: strings.Join(key.GetTags(), ", "),
		Models: strings.Join(key.GetModels(), "\n"), Networks: strings.Join(key.GetNetworks(), "\n"), Chosen: key.GetScopes(), ExpiresAt: key.GetExpiresAt(), Expiry: expiresNever,
		Requests: countText(limits.RequestsPerMinute), Tokens: countText(limits.TokensPerMinute), Parallel: countText(limits.Parallel), Budgets: budgets,
	}
	if fields.ExpiresAt != nil {
		fields.Expiry = expiresAsIs
	}
	return fields.widened()
}

func countText(n *uint64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatUint(*n, 10)
}

// keyFieldsFrom is the form as it was sent. The id is that in the address.
func keyFieldsFrom(c *gin.Context) keyFields {
	fields := keyFields{
		New: c.Param("id") == "", ID: c.Param("id"), Name: strings.TrimSpace(c.PostForm("name")), Tags: c.PostForm("tags"),
		Models: c.PostForm("models"), Networks: c.PostForm("networks"), Chosen: chosenScopes(c), Expiry: c.PostForm("expiry"), ExpiryDate: strings.TrimSpace(c.PostForm("expiry_date")),
		Requests: strings.TrimSpace(c.PostForm("requests")), Tokens: strings.TrimSpace(c.PostForm("tokens")), Parallel: strings.TrimSpace(c.PostForm("parallel")),
	}
	fields.Version, _ = strconv.ParseUint(c.PostForm("version"), 10, 64) // ours; without one nothing is checked
	if at, err := time.Parse(time.RFC3339, c.PostForm("expires_at")); err == nil {
		fields.ExpiresAt = timestamppb.New(at)
	}
	amounts := c.PostFormArray("amount")
	for i, amount := range amounts[:min(len(amounts), maxBudgets)] {
		if amount = strings.TrimSpace(amount); amount != "" {
			fields.Budgets = append(fields.Budgets, keyform.Budget{Unit: nth(c, "unit", i), Amount: amount, Period: nth(c, "period", i), TimeZone: nth(c, "time_zone", i)})
		}
	}
	return fields
}

// chosenScopes are the scopes that are ticked.
func chosenScopes(c *gin.Context) []string {
	ticked := c.PostFormArray("scopes")
	return slices.DeleteFunc(keyFields{}.Scopes(), func(scope string) bool { return !slices.Contains(ticked, scope) })
}

// widened has empty lines for more budgets.
func (f keyFields) widened() keyFields {
	for range min(spareBudgets, maxBudgets-len(f.Budgets)) {
		f.Budgets = append(f.Budgets, keyform.Budget{Unit: "usd", Period: "month"})
	}
	return f
}

// Action is where the form goes.
func (f keyFields) Action() string {
	if f.New {
		return "/admin/keys/new"
	}
	return "/admin/keys/" + f.ID
}

// Line numbers a budget for people.
func (keyFields) Line(i int) int { return i + 1 }

// Units, Periods, Days and Zones are what can be chosen.
func (keyFields) Units() []string { return []string{"usd", "tokens", "requests"} }

// Periods are those of budgets.
func (keyFields) Periods() []string { return []string{"day", "week", "month", "total"} }

// Scopes are what a key may be allowed at /mcp.
func (keyFields) Scopes() []string {
	var names []string
	for _, scope := range caller.Scopes() {
		names = append(names, string(scope))
	}
	return names
}

// Has tells whether a scope is chosen.
func (f keyFields) Has(scope string) bool { return slices.Contains(f.Chosen, scope) }

// Days are after how many days a key may end.
func (keyFields) Days() []string { return []string{"1", "7", "30", "90"} }

// Zones are some of the time zones there are.
func (keyFields) Zones() []string {
	return []string{"UTC", "America/Los_Angeles", "America/New_York", "Europe/Berlin", "Europe/London", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo"}
}

// Problem is what is wrong with a field; empty: nothing.
func (f keyFields) Problem(field string) string { return f.problems[field] }

// BudgetProblem is Problem for a field of a budget.
func (f keyFields) BudgetProblem(i int, field string) string {
	return f.problems[fmt.Sprintf("budgets[%d].%s", i, field)]
}

// Valid tells whether nothing was found to be wrong.
func (f keyFields) Valid() bool { return len(f.problems) == 0 }

// key is what the form says. What is wrong stands beside the fields afterwards.
func (f *keyFields) key(texts texts, now time.Time) *tokenstorev1.ClientKey {
	f.problems = map[string]string{}
	key := &tokenstorev1.ClientKey{Id: f.ID, Name: f.Name, Tags: parts(f.Tags, ","), Models: parts(f.Models, "\n"), Networks: parts(f.Networks, "\n"), Scopes: f.Chosen}
	if n := utf8.RuneCountInString(f.Name); n < 1 || n > mostKeyName || !printable(f.Name) {
		f.problems["name"] = texts["problem.key_name"]
	}
	f.checkList(texts, "tags", key.GetTags(), mostKeyTags, func(tag string) bool {
		return utf8.RuneCountInString(tag) <= mostKeyTag && printable(tag)
	})
	f.checkList(texts, "models", key.GetModels(), mostKeyModels, func(model string) bool {
		return len(model) <= mostKeyModel && printable(model) && strings.Count(model, pattern.Star) <= 1
	})
	f.checkList(texts, "networks", key.GetNetworks(), mostKeyNets, isNetwork)
	key.ExpiresAt = f.end(texts, now)
	key.Limits = f.limits(texts)
	return key
}

// parts are the texts between separators that are not empty.
func parts(text, separator string) []string {
	var found []string
	for part := range strings.SplitSeq(text, separator) {
		if part = strings.TrimSpace(part); part != "" {
			found = append(found, part)
		}
	}
	return found
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func isNetwork(text string) bool {
	_, badPrefix := netip.ParsePrefix(text)
	address, badAddress := netip.ParseAddr(text)
	return badPrefix == nil || badAddress == nil && address.Zone() == ""
}

// checkList notes the first of the texts that is not good, or that there are too many.
func (f *keyFields) checkList(texts texts, field string, list []string, most int, good func(string) bool) {
	if len(list) > most {
		f.problems[field] = fmt.Sprintf(texts["problem.key_many"], most)
		return
	}
	for _, each := range list {
		if !good(each) {
			f.problems[field] = fmt.Sprintf(texts["problem.key_"+field], each)
			return
		}
	}
}

const oneDay = 24 * time.Hour

// end is when the key expires; nil: never.
func (f *keyFields) end(texts texts, now time.Time) *timestamppb.Timestamp {
	switch f.Expiry {
	case "", expiresNever:
		return nil
	case expiresAsIs:
		return f.ExpiresAt
	case expiresOn:
		last, err := time.Parse(time.DateOnly, f.ExpiryDate)
		if end := last.Add(oneDay); err == nil && end.After(now) {
			return timestamppb.New(end)
		}
	default:
		const mostDays = 36_500
		if days, err := strconv.Atoi(f.Expiry); err == nil && days > 0 && days <= mostDays {
			return timestamppb.New(now.Add(time.Duration(days) * oneDay).Truncate(time.Second))
		}
	}
	f.problems["expiry"] = texts["problem.key_expiry"]
	return nil
}

// limits are the limits and the budgets.
func (f *keyFields) limits(texts texts) []*tokenstorev1.KeyLimit {
	count := func(field, text string) *uint64 {
		if text == "" {
			return nil
		}
		amount, err := keyform.ParseAmount(tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, text)
		if err != nil {
			f.problems[field] = texts["problem.key_count"]
		}
		return &amount
	}
	limits := keyform.Limits{
		RequestsPerMinute: count("requests", f.Requests), TokensPerMinute: count("tokens", f.Tokens), Parallel: count("parallel", f.Parallel),
	}
	first := map[[2]string]bool{}
	for i, budget := range f.Budgets {
		f.checkBudget(texts, i, budget)
		if what := [2]string{budget.Unit, budget.Period}; first[what] {
			f.problems[fmt.Sprintf("budgets[%d].amount", i)] = texts["problem.key_twice"]
		} else {
			first[what] = true
		}
	}
	if !f.Valid() {
		return nil
	}
	stored, err := keyform.ToStore(limits, f.Budgets)
	if err != nil { // nothing that the fields above have
		f.problems["requests"] = texts["problem.key_count"]
	}
	return stored
}

func (f *keyFields) checkBudget(texts texts, i int, budget keyform.Budget) {
	_, err := keyform.ToStore(keyform.Limits{}, []keyform.Budget{budget})
	wrong, told := errors.AsType[*keyform.FieldError](err)
	if !told {
		return
	}
	at := func(field string) string { return fmt.Sprintf("budgets[%d].%s", i, field) }
	ofZone := strings.HasSuffix(wrong.Field, ".time_zone")
	switch {
	case ofZone && budget.Period == "total":
		f.problems[at("time_zone")] = texts["problem.key_no_zone"]
	case ofZone:
		f.problems[at("time_zone")] = texts["problem.key_zone"]
	case budget.Unit == "usd":
		f.problems[at("amount")] = texts["problem.key_dollars"]
	default:
		f.problems[at("amount")] = texts["problem.key_count"]
	}
}
