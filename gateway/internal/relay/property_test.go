package relay

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// outcome is all that a request leaves behind.
type outcome struct {
	events  []string // as shown
	kind    chat.Kind
	classes []upstream.Class
	end     reqlog.End
	source  chat.UsageSource
}

// foretell says what must become of a request whose attempts go as scripted, by
// the rules as one would tell them. The caller hangs up on the event at index
// until, where that is not negative.
func foretell(scripts []script, policy Policy, until int) outcome {
	var o outcome
	attempts := 0 // those whose proxy is dead are none
	for _, now := range scripts {
		o.events = nil
		gone := false
		send := func(event chat.Event) {
			if !gone {
				o.events = append(o.events, show(event))
				gone = len(o.events)-1 == until
			}
		}
		reported, finished, estimated := false, false, false
		if at := firstSent(now.events, policy.HoldBack); at >= 0 {
			for j, event := range now.events {
				// What released the ones held back had come before they were sent.
				reported = reported || (j <= at || !gone) && event.Usage != nil
				finished = finished || event.Finish != chat.Unfinished
				send(event)
			}
		}
		if !gone && now.err == nil && finished && !reported {
			estimated = true
			send(chat.Event{Usage: &chat.Usage{}})
		}
		sent := len(o.events) > 0
		switch {
		case reported:
			o.source = chat.UsageReported
		case estimated:
			o.source = chat.UsageEstimated
		case sent:
			o.source = chat.UsagePartial
		default:
			o.source = chat.UsageUnknown
		}
		var class upstream.Class
		switch {
		case gone:
			class = upstream.ClientGone
		case now.err != nil:
			failure, _ := errors.AsType[*upstream.Failure](now.err)
			class = failure.Class
		case !finished:
			class = upstream.Truncated
		}
		o.classes = append(o.classes, class)
		switch {
		case gone:
			o.kind, o.end = "", reqlog.ClientGone
			return o
		case class == "":
			o.kind, o.end = "", reqlog.Done
			return o
		}
		o.kind, o.end = class.Kind(), reqlog.UpstreamError
		switch o.kind {
		case chat.Canceled:
			o.end = reqlog.ClientGone
		case chat.UpstreamProtocol:
			o.end = reqlog.Truncated
		default:
		}
		if class != upstream.Proxy {
			attempts++
		}
		if sent || !class.Retryable() || class != upstream.Proxy && attempts >= policy.MaxAttempts {
			return o
		}
	}
	return o // the tokens ran out: what the upstream said last
}

// firstSent is the index of the event with which sending begins; -1: none is sent.
func firstSent(events []chat.Event, holdBack bool) int {
	return slices.IndexFunc(events, func(event chat.Event) bool {
		empty := event.Text == "" && event.Kind == chat.TextBlock && event.Finish == "" && event.Usage == nil
		return !holdBack || !empty || slices.IndexFunc(events, func(e chat.Event) bool { return show(e) == show(event) }) >= maxHeldBack
	})
}

// show tells events apart.
func show(event chat.Event) string {
	if event.Usage != nil && event.Raw.JSON == nil {
		return "estimate"
	}
	return fmt.Sprintf("%s|%d|%t|%s|%t|%s", event.Text, event.Kind, event.Open != nil, event.Finish, event.Usage != nil, event.Raw.JSON)
}

func drawScript(t *rapid.T, number int) script {
	var now script
	for i := range rapid.IntRange(0, 14).Draw(t, "events") {
		event := chat.Event{Raw: chat.Raw{Dialect: "d", JSON: fmt.Appendf(nil, "attempt %d, event %d", number, i)}}
		switch rapid.IntRange(0, 12).Draw(t, "event") {
		case 0:
			event.Text = fmt.Sprintf("text %d.%d ", number, i)
		case 1:
			event.Kind, event.Text = chat.ReasoningBlock, "hm"
		case 2:
			event.Kind, event.Open = chat.CallBlock, &chat.Block{Name: "f"}
		case 3:
			event.Finish = chat.Stop
		case 4:
			event.Usage = &chat.Usage{Prompt: 1, Completion: 1, Source: chat.UsageReported}
		default: // without content
		}
		now.events = append(now.events, event)
	}
	if rapid.IntRange(0, 3).Draw(t, "fails") > 0 {
		drivers := slices.DeleteFunc(upstream.Classes(), func(class upstream.Class) bool {
			return class == upstream.Interrupted || class == upstream.SealRefused // it has a test of its own
		})
		now.err = &upstream.Failure{Class: rapid.SampledFrom(drivers).Draw(t, "class"), Message: "m"}
	}
	return now
}

// Whatever drivers answer and wherever the caller hangs up: each lease is settled
// once with the class that its attempt deserves, there is one log entry, what was
// sent is one attempt's events in order, an error is the last, and the request pays once.
func TestEveryRequestEndsAsItShould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var scripts []script
		for i := range 3 {
			scripts = append(scripts, drawScript(t, i))
		}
		r := newRig(play(scripts...))
		r.policy.HoldBack = rapid.Bool().Draw(t, "hold back")
		r.policy.MaxAttempts = rapid.IntRange(1, 4).Draw(t, "max attempts")
		until := rapid.IntRange(whole, 16).Draw(t, "until")
		r.caller = limited()

		var got outcome
		answer := r.chat(t.Context(), t, until)
		for _, event := range answer.events {
			got.events = append(got.events, show(event))
		}
		if answer.err != nil {
			got.kind = answer.err.Kind
		}
		var err error
		if got.classes, err = r.pool.classes(); err != nil {
			t.Fatal(err)
		}
		if len(r.log.entries) != 1 {
			t.Fatalf("%d log entries", len(r.log.entries))
		}
		entry := r.log.entries[0]
		got.end, got.source = entry.End, entry.Usage.Source
		want := foretell(scripts, r.policy, until)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("\ngot  %v\nwant %v", got, want)
		}
		tokens := uint64(entry.Usage.Prompt + entry.Usage.Completion)
		if want := []lease.Amounts{{Requests: 1, Tokens: tokens, Cost: entry.Cost}}; !slices.Equal(r.pool.paid, want) {
			t.Fatalf("paid %+v, want %+v", r.pool.paid, want)
		}
		if entry.Attempts != len(got.classes) || r.count.retries != len(got.classes)-1 || (entry.Err == nil) != (entry.End == reqlog.Done) {
			t.Fatalf("%d retries, entry %+v", r.count.retries, entry)
		}
	})
}
