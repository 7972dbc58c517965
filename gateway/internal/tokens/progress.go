package tokens

import (
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// progress is how far a stream of the session has come. The session's lock guards it.
type progress struct {
	// sent is the last message, acknowledged the last one that the store has carried out.
	sent, acknowledged uint64
	// unconfirmed are the messages in between.
	unconfirmed []sentMessage
	// confirmed is when the newest message went out that the store has carried out.
	confirmed time.Time
	// spoke is when the last message went out.
	spoke time.Time
	// busy is when the last one went out that was about requests, or was the first of all streams.
	busy time.Time
	// silentSince is when the first message went out that the store has not
	// acknowledged; zero: it has acknowledged all.
	silentSince time.Time
	// heard: the store has said something.
	heard bool
	// worked is heard of the stream before.
	worked bool
	// stalled: there is more to say, and it waits for the store to acknowledge.
	stalled bool
	// complete: the messages have said all that is held.
	complete bool
}

// sentMessage is one that the store has not confirmed.
type sentMessage struct {
	sequence   uint64
	at         time.Time
	reports    []endedReport
	uses       []*tokenstorev1.ReserveReport
	renewals   []*held
	statements []*tokenstorev1.KeyStatement
}

// quietAfter is how long nothing may be said about requests until the session is quiet.
const quietAfter = 10 * time.Second

// quiet reports whether nothing has been said about requests for long.
func (p *progress) quiet(now time.Time) bool { return now.Sub(p.busy) >= quietAfter }

func (p *progress) send(message sentMessage) {
	p.unconfirmed = append(p.unconfirmed, message)
	p.sent, p.spoke = message.sequence, message.at
	if p.silentSince.IsZero() {
		p.silentSince = message.at
	}
}

// acknowledge takes in how far the store has come.
func (p *progress) acknowledge(sequence uint64, now time.Time) {
	if sequence <= p.acknowledged {
		return
	}
	p.acknowledged, p.silentSince = sequence, now
	if sequence >= p.sent {
		p.silentSince = time.Time{}
	}
}
