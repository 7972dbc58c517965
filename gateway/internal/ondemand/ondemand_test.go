package ondemand_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/ondemand"
)

func TestAValueIsMadeByNeedAndForgottenInDisuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0 // by this goroutine alone
		value := ondemand.New(time.Minute, func() int { made++; return made })
		wait := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		wait(time.Hour)
		if made != 0 {
			t.Fatalf("made %d times before anybody asked", made)
		}
		for range 10 { // each use keeps it
			if got := value.Get(); got != 1 {
				t.Fatalf("got %d, want the first", got)
			}
			wait(59 * time.Second)
		}
		wait(2 * time.Second)
		for range 3 { // it can be had anew
			if got := value.Get(); got != 2 {
				t.Fatalf("got %d, want the second", got)
			}
		}
	})
}

func TestAllWhoAskAtOnceGetTheSame(t *testing.T) {
	t.Parallel()
	value := ondemand.New(time.Minute, func() *int { return new(int) })
	var got [8]*int
	var asking sync.WaitGroup
	for i := range got {
		asking.Go(func() { got[i] = value.Get() })
	}
	asking.Wait()
	for _, each := range got {
		if each != got[0] {
			t.Fatal("it was made more than once")
		}
	}
}
