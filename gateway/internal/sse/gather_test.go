package sse_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/sse"
)

// gathering is a connection that notes what is asked of it.
type gathering struct {
	asked []string
	fail  error
}

func (g *gathering) Hold() { g.asked = append(g.asked, "hold") }

func (g *gathering) Release() error {
	g.asked = append(g.asked, "release")
	return g.fail
}

// A burst leaves in one write, and the last one with the end of the response. A single event does
// so by itself.
func TestBurstsAreGathered(t *testing.T) {
	t.Parallel()
	burst := []byte(strings.Repeat("x", 5<<10))
	gone := errors.New("gone")
	cases := map[string]struct {
		do   func(s *sse.Writer) error
		fail error
		want []string
	}{
		"one event":      {func(s *sse.Writer) error { return s.Data(chunk, false) }, nil, nil},
		"a burst":        {func(s *sse.Writer) error { return s.Data(burst, false) }, nil, []string{"hold", "release"}},
		"the last burst": {func(s *sse.Writer) error { return errors.Join(s.Data(burst, true), s.Close()) }, nil, []string{"hold"}},
		"a client that is gone": {func(s *sse.Writer) error {
			if err := s.Data(burst, false); !errors.Is(err, gone) {
				t.Error(err)
			}
			return nil
		}, gone, []string{"hold", "release"}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection := &gathering{fail: test.fail}
			stream := sse.Start(newClient(), sse.Options{})
			defer func() { _ = stream.Close() }()
			stream.Gather(connection)
			if err := test.do(stream); err != nil {
				t.Error(err)
			}
			if !slices.Equal(connection.asked, test.want) {
				t.Errorf("asked: %q, want %q", connection.asked, test.want)
			}
		})
	}
}
