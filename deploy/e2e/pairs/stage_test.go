package pairs_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/pairs"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/gateway/grammar"
)

// stage is where a scene is played: one pair, with streams or without.
type stage struct {
	*testing.T
	world  *world
	pair   pairs.Pair
	cell   pairs.Cell
	stream bool
	// upstream is the name of the one that is asked.
	upstream string
	client   client
	sent     sent
	ctx      context.Context
	talk     []turn
	// model is the one that the latest question was for.
	model string
}

// scene plays a row; the same in every pair, but for what the pair's cell says is lost.
type scene struct {
	what string
	play func(*stage)
	// streamOnly: there is nothing to it without a stream.
	streamOnly bool
	// breaks: it breaks connections to its upstream, which apart names.
	breaks bool
}

// scenes plays every row in every pair, streamed and not.
func (w *world) scenes(t *testing.T) {
	t.Parallel()
	for _, row := range pairs.Rows {
		at := slices.IndexFunc(scenes, func(s scene) bool { return s.what == row.What })
		if at < 0 {
			t.Errorf("no scene plays %q", row.What)
			continue
		}
		for _, pair := range pairs.All {
			if row.Cell(pair).Outcome == pairs.Absent {
				continue
			}
			for _, stream := range []bool{true, false} {
				if !stream && scenes[at].streamOnly {
					continue
				}
				name := row.What + "/" + pair.String() + map[bool]string{true: "/streamed", false: "/whole"}[stream]
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					ctx = stack.Allow(ctx, "the pair says how it is judged", grammar.Options{Native: pair.Native(), Usage: stream})
					on := &stage{T: t, world: w, pair: pair, cell: row.Cell(pair), stream: stream, upstream: upstream(pair), ctx: ctx}
					if scenes[at].breaks {
						on.upstream = apart(pair)
					}
					on.client = w.client(t, pair.Client, &on.sent)
					scenes[at].play(on)
				})
			}
		}
	}
	if len(scenes) != len(pairs.Rows) {
		t.Errorf("%d scenes play %d rows", len(scenes), len(pairs.Rows))
	}
}

// ask puts a question at the end of the talk, and fails unless it is answered.
func (s *stage) ask(scenario string, q question) answer {
	s.Helper()
	return s.askOf("", scenario, q)
}

// askOf is ask for an upstream of a manner.
func (s *stage) askOf(manner, scenario string, q question) answer {
	s.Helper()
	got, err := s.try(manner, scenario, q)
	if err != nil {
		s.Fatalf("%s: %v", scenario, err)
	}
	if want := s.upstream + "/" + s.model; got.model != want {
		s.Errorf("answered by %q, asked was %q", got.model, want)
	}
	if got.usage.prompt == 0 || got.usage.output == 0 && got.text+got.thought != "" {
		s.Errorf("usage: %+v", got.usage)
	}
	s.talk[len(s.talk)-1].answer = got
	return got
}

// try asks, and sees to it that what arrived is what the pair's cell says, and that the
// upstream has nothing to say against it.
func (s *stage) try(manner, scenario string, q question) (answer, error) {
	s.Helper()
	if s.pair.Driver != "openai" {
		manner = ""
	}
	s.model = s.world.name(manner, scenario)
	s.talk = append(s.talk, turn{question: q})
	got, err := s.client.ask(s.ctx, s.upstream+"/"+s.model, s.talk, s.stream)
	if s.pair.Driver == "cursor" {
		s.ran(err)
		return got, err
	}
	exchanges := s.world.tap.got(s.model)
	if len(exchanges) == 0 {
		s.Fatalf("nothing has arrived: %v", err)
	}
	arrived := exchanges[len(exchanges)-1]
	if arrived.path != path(s.pair) {
		s.Errorf("it arrived at %s", arrived.path)
	}
	if s.cell.Outcome == pairs.Native {
		if want := ownModel(s.sent.bodies[len(s.sent.bodies)-1], s.pair.Driver, s.model); string(arrived.body) != want {
			s.Errorf("arrived: %s\nsent:    %s", arrived.body, want)
		}
	}
	if problems := s.world.blame(s.model); len(problems) > 0 {
		s.Errorf("the upstream says %q of %s", problems, arrived.body)
	}
	return got, err
}

// ran sees to it that the question has become a run, and that the upstream has nothing to say
// against it.
func (s *stage) ran(err error) {
	s.Helper()
	if s.world.Sim.Ledger().Models[s.model].Requests == 0 {
		s.Fatalf("nothing has arrived: %v", err)
	}
	if problems := s.world.blame(s.model); len(problems) > 0 {
		s.Errorf("the upstream says %q", problems)
	}
}

// arrived is the latest request that the upstream got.
func (s *stage) arrived() *exchange {
	all := s.world.tap.got(s.model)
	return all[len(all)-1]
}

// describe has the upstream tell what it gets of the talk with this question.
func (s *stage) describe(q question) upstreamsim.Description {
	s.Helper()
	return s.described(s.ask("describe", q))
}

func (s *stage) described(got answer) upstreamsim.Description {
	s.Helper()
	var told upstreamsim.Description
	if err := json.Unmarshal([]byte(got.text), &told); err != nil {
		s.Fatalf("%v: %q", err, got.text)
	}
	return told
}

// fails asks what is not to be answered.
func (s *stage) fails(scenario string, q question) *failure {
	s.Helper()
	_, err := s.try("", scenario, q)
	told, ok := errors.AsType[*failure](err)
	if !ok {
		s.Fatalf("%s: %v", scenario, err)
	}
	return told
}

// want compares.
func want[T comparable](s *stage, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Errorf("%s: %v, want %v", what, got, want)
	}
}

func sum(data []byte) string {
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:])
}
