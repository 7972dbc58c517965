package errand

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestNoMoreIsRunThanWasAskedFor(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.driver.takes = time.Second
		r.store.set(func(s *fakeStore) { s.generous = true })
		for i := range 2 * maxInHand {
			r.store.add(refreshErrand(fmt.Sprint(i)))
		}
		time.Sleep(500 * time.Millisecond)
		if n := r.hand.size(); n != maxInHand {
			t.Errorf("%d in hand", n)
		}
	})
}

func TestNothingDueCostsNearlyNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hasty       bool // as a store of before, which answers earlier than it is asked to
		least, most int
	}{{false, 11, 13}, {true, 55, 61}} {
		run(t, func(t *testing.T, r *rig) {
			r.store.set(func(s *fakeStore) { s.hasty = c.hasty })
			time.Sleep(time.Minute)
			r.store.set(func(s *fakeStore) {
				if s.calls < c.least || s.calls > c.most {
					t.Errorf("%d calls in a minute", s.calls)
				}
			})
		})
	}
}

func TestAnErrandBeginsAsSoonAsItIsDue(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		time.Sleep(10*time.Second + 300*time.Millisecond)
		r.store.add(refreshErrand("a"))
		time.Sleep(20 * time.Millisecond)
		if len(r.store.settledRefreshes()) != 1 {
			t.Error("it did not")
		}
	})
}

func TestManyErrandsAreRunFewAtATime(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.driver.takes = 3 * time.Second
		for i := range 100 {
			r.store.add(refreshErrand(fmt.Sprint(i)))
		}
		time.Sleep(25 * time.Second)
		settled := r.store.settledRefreshes()
		r.store.set(func(s *fakeStore) {
			if len(settled) != 100 || s.most != maxInHand || s.overdue != 0 {
				t.Errorf("%d settled, %d at a time, %d were not renewed", len(settled), s.most, s.overdue)
			}
		})
	})
}

// Questions for accounts may hang, and nobody waits for them: whoever waits for an access token
// does not wait for them either.
func TestHangingQuestionsDelayNoRefresh(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.Account = func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}
		for i := range 100 {
			r.store.add(accountErrand(fmt.Sprint(i)))
		}
		time.Sleep(10 * time.Second)
		if n := r.hand.size(); n != maxQuestions {
			t.Errorf("%d questions are asked at a time", n)
		}
		for i := range maxInHand - maxQuestions {
			r.store.add(refreshErrand(fmt.Sprint("refresh-", i)))
		}
		time.Sleep(renewEvery + 20*time.Millisecond)
		settled := r.store.settledRefreshes()
		r.store.set(func(s *fakeStore) {
			clear(s.out) // the questions are another gateway's: they end
			s.due = nil
			if len(settled) != maxInHand-maxQuestions || s.overdue != 0 {
				t.Errorf("%d settled, %d were not renewed", len(settled), s.overdue)
			}
		})
	})
}

// One tokenstore may hang: the next call reaches another one, in time.
func TestWhatIsInHandIsRenewedAlsoAfterACallThatHangs(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.driver.takes = 10 * time.Second
		r.store.add(refreshErrand("a"))
		time.Sleep(3 * time.Second)
		r.store.set(func(s *fakeStore) { s.hangs = true })
		time.Sleep(500 * time.Millisecond)
		r.store.set(func(s *fakeStore) { s.hangs = false })
		time.Sleep(10 * time.Second)
		settled := r.store.settledRefreshes()
		r.store.set(func(s *fakeStore) {
			if len(settled) != 1 || s.overdue != 0 {
				t.Errorf("%d settled, %d were not renewed", len(settled), s.overdue)
			}
		})
	})
}

func TestALostErrandIsLeft(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.driver.takes = 10 * time.Second
		r.store.add(refreshErrand("a"), loginErrand("b"))
		time.Sleep(time.Second)
		r.store.set(func(s *fakeStore) { clear(s.out) }) // another gateway has them
		time.Sleep(2 * renewEvery)
		if n := r.hand.size(); n != 0 {
			t.Errorf("%d still in hand", n)
		}
		time.Sleep(time.Minute)
		if len(r.store.settledRefreshes())+len(r.store.settledLogins()) != 0 {
			t.Error("something was settled")
		}
	})
}

// What was granted is known nowhere else.
func TestAGrantOutlastsAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.driver.takes = time.Second
		r.store.add(refreshErrand("a"), loginErrand("b"))
		time.Sleep(500 * time.Millisecond)
		r.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(time.Minute)
		r.store.set(func(s *fakeStore) {
			s.away = false
			for _, each := range s.out { // it counts from when it is back
				each.renewed = time.Now()
			}
		})
		time.Sleep(500 * time.Millisecond)
		refreshes, logins := r.store.settledRefreshes(), r.store.settledLogins()
		if len(refreshes) != 1 || len(logins) != 1 || refreshes[0].GetGranted().GetRefreshToken() != "refresh-2" || len(r.driver.questions()) != 2 {
			t.Errorf("settled %v and %v, asked %q", refreshes, logins, r.driver.questions())
		}
	})
}

// A settlement waits for the store's disk. Meanwhile the errand is gone there.
func TestAnErrandIsNotLostByItsOwnSettlement(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.store.syncs = 3 * time.Second
		r.store.add(refreshErrand("a"))
		time.Sleep(2 * time.Second)
		if n := r.hand.size(); n != 1 {
			t.Errorf("%d in hand", n)
		}
		r.stop()
		if len(r.store.settledRefreshes()) != 1 || bytes.Contains(r.log.Bytes(), []byte("level=ERROR")) {
			t.Errorf("settled %v:\n%s", r.store.settledRefreshes(), r.log)
		}
	})
}

// It can be found out anew, once the store is back.
func TestWhatWasNotGrantedIsNotToldForLong(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.driver.takes = time.Hour
		r.store.add(refreshErrand("a"))
		time.Sleep(askTimeout - time.Second)
		r.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(settlePatience + 2*time.Second)
		if n := r.hand.size(); n != 0 {
			t.Errorf("%d still in hand", n)
		}
	})
}

func TestAGrantThatCannotBeKeptIsToldInTheLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		errand *tokenstorev1.Errand
		change func(s *fakeStore)
		told   bool
	}{
		"the errand is another gateway's":             {refreshErrand("a"), func(s *fakeStore) { clear(s.out) }, true},
		"the login is asked about by another gateway": {loginErrand("a"), func(s *fakeStore) { clear(s.out) }, true},
		"the login is over": {loginErrand("a"), func(s *fakeStore) {
			clear(s.out)
			s.login = tokenstorev1.LoginState_LOGIN_STATE_CANCELLED
		}, false},
		"the token is gone": {refreshErrand("a"), func(s *fakeStore) { s.refuses = status.Error(codes.NotFound, "no such token") }, true},
		"settlements fail, and then it is another gateway's": {refreshErrand("a"), func(s *fakeStore) {
			clear(s.out)
			s.refuses = status.Error(codes.Unavailable, "away")
		}, true},
		"it is kept": {refreshErrand("a"), func(*fakeStore) {}, false},
	} {
		run(t, func(t *testing.T, r *rig) {
			r.driver.takes = 100 * time.Millisecond
			r.store.add(c.errand)
			time.Sleep(50 * time.Millisecond)
			r.store.set(c.change)
			time.Sleep(5 * time.Second)
			if n := r.hand.size(); n != 0 {
				t.Errorf("%s: %d in hand", name, n)
			}
			r.stop()
			if told := bytes.Contains(r.log.Bytes(), []byte("level=ERROR")); told != c.told {
				t.Errorf("%s: told %v:\n%s", name, told, r.log)
			}
		})
	}
}

func TestShutdownFinishesWhatIsInHandAndTakesNoMore(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.driver.takes = 10 * time.Second
		r.store.add(refreshErrand("a"), loginErrand("b"))
		time.Sleep(time.Second)
		began := time.Now()
		go func() {
			time.Sleep(100 * time.Millisecond)
			r.store.add(refreshErrand("late"))
		}()
		r.stop()
		settled := len(r.store.settledRefreshes()) + len(r.store.settledLogins())
		r.store.set(func(s *fakeStore) {
			if settled != 2 || len(s.due) != 1 || s.overdue != 0 || time.Since(began) > 9*time.Second+renewEvery {
				t.Errorf("%d settled, %d left, %d not renewed, after %s", settled, len(s.due), s.overdue, time.Since(began))
			}
		})
	})
}

func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		r.driver.takes = 100 * time.Millisecond
		r.store.add(refreshErrand("a"))
		time.Sleep(50 * time.Millisecond)
		r.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(time.Second)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took != grace {
			t.Errorf("it took %s", took)
		}
		if !bytes.Contains(r.log.Bytes(), []byte("level=ERROR")) {
			t.Error("nobody is told of the grant that is lost")
		}
	})
}

func TestShutdownOfAnIdleRunnerIsAtOnce(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		time.Sleep(500 * time.Millisecond)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

// An errand of a kind that this version does not know is left to others.
func TestAnUnknownErrandIsLeft(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		errand := refreshErrand("a")
		errand.Work = nil
		r.store.add(errand)
		time.Sleep(time.Second)
		if r.hand.size() != 0 || len(r.driver.questions()) != 0 {
			t.Error("it was not")
		}
	})
}

func TestAnErrandIsInHandOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.driver.takes = time.Second
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			r.begin(ctx, refreshErrand("a"), time.Now())
		}
		synctest.Wait()
		if asked := r.driver.questions(); len(asked) != 1 || r.hand.size() != 1 {
			t.Errorf("asked %q", asked)
		}
		cancel()
		r.working.Wait()
	})
}
