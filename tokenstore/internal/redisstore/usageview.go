package redisstore

import (
	"maps"
	"sync"
	"time"

	"carousel.internal/tokenstore/internal/usage"
)

const (
	// mostUseKept bounds the cells that a view keeps, of some 100 bytes each, and as many again of
	// those that were added up for questions.
	mostUseKept = 400_000
	// useForgotten is after how long a step is forgotten that nobody asks for.
	useForgotten = 10 * time.Minute
)

// useView is what this process has read of the use. Nothing is added to a step of time that is
// over, and to the present ones only with requests, so that most need not be read again.
type useView struct {
	mu    sync.Mutex
	steps map[string]*viewedStep
	// cells is how many the steps have, added how many were added up from these, as far as was seen,
	// and most the bound of each.
	cells, added, most int
}

// viewedStep is one that was read.
type viewedStep struct {
	cells *usage.Cells
	// closed tells that the step was over, and had settled, when it was read.
	closed bool
	// version is that of the requests before it was read.
	version string
	// asked is when it was last asked for, by this process's clock.
	asked time.Time
	// added is how many cells it has among those of the view. The view's own.
	added int
}

func newUseView() *useView { return &useView{steps: map[string]*viewedStep{}, most: mostUseKept} }

// find returns the cells of a step of which there are so many while the requests have this version;
// nil: they are to be read.
func (v *useView) find(key string, size int, version string, now time.Time) *usage.Cells {
	v.mu.Lock()
	defer v.mu.Unlock()
	step := v.steps[key]
	// The number of cells tells a store that has lost some since.
	if step == nil || step.cells.Len() != size || !step.closed && step.version != version {
		return nil
	}
	step.asked = now
	v.count(step)
	return step.cells
}

// count takes in what was added up of a step since. Beyond the bound it is forgotten, and what
// comes next is added up anew: until it is seen, it is at most one question's.
func (v *useView) count(step *viewedStep) {
	v.added -= step.added
	if step.added = step.cells.Added(); v.added+step.added > v.most {
		step.cells.DropAdded()
		step.added = 0
	}
	v.added += step.added
}

// keep remembers a step while there is room. Others make no room: of a span that is too long for
// the view, the first steps would always be gone when they are asked for again.
func (v *useView) keep(key string, step viewedStep) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drop(key)
	if v.cells+step.cells.Len() > v.most {
		return
	}
	v.steps[key] = &step
	v.cells += step.cells.Len()
}

func (v *useView) drop(key string) {
	if step := v.steps[key]; step != nil {
		v.cells -= step.cells.Len()
		v.added -= step.added
		delete(v.steps, key)
	}
}

// forget forgets what nobody has asked for of late.
func (v *useView) forget(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for key := range maps.Clone(v.steps) {
		if now.Sub(v.steps[key].asked) >= useForgotten {
			v.drop(key)
		}
	}
}

// clear forgets all: the data may be another's.
func (v *useView) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.steps)
	v.cells, v.added = 0, 0
}
