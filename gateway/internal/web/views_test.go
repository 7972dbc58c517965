package web

import "testing"

// Most gateways are never asked for a page: what pages are made of is not there before that.
func TestASiteThatNobodyLooksAtHasNothingParsed(t *testing.T) {
	const bound = 100 // one template alone takes thousands
	if made := testing.AllocsPerRun(10, func() { New(Deps{}) }); made > bound {
		t.Errorf("a new site allocates %.0f times", made)
	}
}

func TestAPageThatDoesNotExist(t *testing.T) {
	t.Parallel()
	if page, err := loadedViews.render(english, "nothing", "layout", nil); err == nil {
		t.Errorf("it is %q", page)
	}
}

func BenchmarkFirstPage(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := localize(english).page("overview"); err != nil {
			b.Fatal(err)
		}
	}
}
