package web

import (
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// mostNeeds is how many rows of what waits for the admin are shown.
	mostNeeds = 12
	// backupAge is how old a backup is when another one is due.
	backupAge = 30 * 24 * time.Hour
)

// need is something that waits for the admin, and the one thing to do about it.
type need struct {
	// Kind is a part of the texts' keys.
	Kind string
	// Tone is the colour of its mark: that of a state of tokens.
	Tone     string
	Upstream string
	// Count is how many tokens or models it is about.
	Count uint64
	// Class and Model are of what tokens fail for alike, and Known is when somebody has
	// acknowledged that; nil: nobody has.
	Class, Model string
	Known        *timestamppb.Timestamp
	// At is when it began, is going to happen, or happened last; nil: not known, or never.
	At *timestamppb.Timestamp
	// Link is where to do Action, which is a part of the texts' keys.
	Link, Action string
}

// waiting is all that can wait for the admin.
type waiting struct {
	pools    []pool
	upkeep   upkeepFacts
	unserved int
	now      time.Time
}

// needsOf lists what waits for the admin, the most urgent first.
func needsOf(w waiting) []need {
	var urgent, soon, later []need
	simulated, own := false, false
	for _, p := range w.pools {
		urgent = append(urgent, alarmNeeds(p)...)
		urgent = append(urgent, lostNeeds(p)...)
		soon = append(soon, expiryNeeds(p)...)
		simulated = simulated || isSimulated(p.GetUpstream())
		own = own || !isSimulated(p.GetUpstream())
	}
	if low := w.upkeep.low; low > 0 {
		soon = append(soon, need{Kind: "quota", Tone: "cooling", Count: low, Link: "/admin/quotas", Action: "quota"})
	}
	if n := w.unserved; n > 0 && len(w.pools) > 0 {
		later = append(later, need{
			Kind: "models", Tone: "disabled", Count: uint64(n),
			Link: "/admin/models?state=none", Action: "why",
		})
	}
	if simulated {
		later = append(later, need{Kind: "simulator", Tone: "disabled", Link: "/admin/tokens#add", Action: "add"})
	}
	if own {
		later = append(later, backupNeeds(w.upkeep.backup, w.now)...)
	}
	return append(append(urgent, soon...), later...)
}

// isSimulated tells whether the local command has made the upstream, to answer before there are
// tokens of a real one.
func isSimulated(upstreamName string) bool {
	return upstreamName == "simulator" || strings.HasPrefix(upstreamName, "simulator-")
}

// beforeCause is how long before a shared cause is found the requests may have begun that tell of
// it: as long as the tokenstore takes failures together, and some.
const beforeCause = time.Minute

// alarmNeeds are what the tokens of a pool fail for alike.
func alarmNeeds(p pool) []need {
	var needs []need
	for _, cause := range p.GetCauses() {
		// Clients may name the model otherwise, so the failures of all are shown.
		failures := url.Values{"upstream": {p.GetUpstream()}, "status": {"failure"}}
		if cause.GetSince() != nil {
			failures.Set("from", logTime(cause.GetSince().AsTime().Add(-beforeCause)))
		}
		n := need{
			Kind: "alarm", Tone: "expired", Upstream: p.GetUpstream(), Class: cause.GetClass(), Model: cause.GetModel(), At: cause.GetSince(),
			Link: "/admin/logs?" + failures.Encode(), Action: "failures",
		}
		if n.Known = cause.GetAcknowledgedAt(); n.Known != nil {
			n.Tone = "disabled"
		}
		if n.Class == "outdated_client" {
			n.Link, n.Action = "/admin/settings#setting-cursor_client_version", "version"
		}
		needs = append(needs, n)
	}
	return needs
}

// lostNeeds are the tokens of a pool that don't come back by themselves.
func lostNeeds(p pool) []need {
	var needs []need
	for _, each := range []struct {
		kind, state string
		count       uint32
	}{
		{"login", "parked", p.GetNeedsLogin()},
		{"parked", "parked", p.GetParked() - min(p.GetNeedsLogin(), p.GetParked())},
		{"expired", "expired", p.GetExpired()},
	} {
		if each.count > 0 {
			needs = append(needs, need{
				Kind: each.kind, Tone: each.state, Upstream: p.GetUpstream(), Count: uint64(each.count),
				Link: tokensLink(p.GetUpstream(), each.state), Action: each.kind,
			})
		}
	}
	return needs
}

// expiryNeeds are the tokens of a pool that expire within a week.
func expiryNeeds(p pool) []need {
	if p.GetExpiring() == 0 {
		return nil
	}
	n := need{
		Kind: "expiring", Tone: "cooling", Upstream: p.GetUpstream(), Count: uint64(p.GetExpiring()), At: p.GetNextExpiry(),
		Link: tokensLink(p.GetUpstream(), ""), Action: "expiring",
	}
	if id := p.GetNextExpiringId(); id != "" {
		n.Link = "/admin/tokens/" + url.PathEscape(id)
	}
	return []need{n}
}

// backupNeeds is that no backup was made for too long.
func backupNeeds(last lastBackup, now time.Time) []need {
	if !last.known || !last.at.IsZero() && now.Sub(last.at) < backupAge {
		return nil
	}
	n := need{Kind: "no_backup", Tone: "disabled", Link: "/admin/backup", Action: "backup"}
	if !last.at.IsZero() {
		n.Kind, n.At = "backup", timestamppb.New(last.at)
	}
	return []need{n}
}

// tokensLink is the list of an upstream's tokens in a state; empty: in all.
func tokensLink(upstreamName, state string) string {
	query := url.Values{"upstream": {upstreamName}}
	if state != "" {
		query.Set("state", state)
	}
	return "/admin/tokens?" + query.Encode()
}

// text is the key of what it says, and the arguments of that.
func (n need) text(texts texts) (key string, args []any) {
	switch n.Kind {
	case "simulator", "backup", "no_backup":
		return "need." + n.Kind, nil
	case "alarm":
		return "need.alarm", []any{n.Upstream, texts.label("class", n.Class)}
	case "quota", "models":
	default:
		args = append(args, n.Upstream)
	}
	if n.Count == 1 {
		return "need_one." + n.Kind, args
	}
	return "need." + n.Kind, append(args, number(n.Count))
}

// need is the text that says what waits.
func (f format) need(n need) (string, error) {
	key, args := n.text(f.texts)
	return f.texts.text(key, args...)
}
