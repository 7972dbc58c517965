package browser

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
)

// takeAim has the page let a click reach the first element of a selector only, or what has the same
// label. A page that is brought up to date may move under the pointer: what the click would meet
// instead does not hear of it.
const takeAim = `(() => {
	const over = new AbortController();
	const aim = { hasHit: false, hasMissed: false, end: () => over.abort() };
	const meets = (target) => {
		const wanted = document.querySelector(%q);
		return wanted !== null && (wanted.contains(target) || target.closest('label')?.control === wanted || wanted.control === target);
	};
	for (const type of ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click']) {
		addEventListener(type, (event) => {
			if (!event.isTrusted) return;
			if (!meets(event.target)) aim.hasMissed = true;
			if (aim.hasMissed) {
				event.preventDefault();
				event.stopImmediatePropagation();
			} else if (type === 'click') {
				aim.hasHit = true;
			}
		}, { capture: true, signal: over.signal });
	}
	window.aim = aim;
	return true;
})()`

// hasHit tells whether the click has met what it was for. A page that it has opened knows of no
// aim.
const hasHit = `(() => {
	const { aim } = window;
	delete window.aim;
	aim?.end();
	return aim === undefined || aim.hasHit;
})()`

// errMissed is of a click that met something else.
var errMissed = errors.New("something else is in its place")

// Click clicks the element when it is visible and the page's scripts have run. An element that is
// taken away or moves between being found and being clicked is looked for again.
func (b *Tab) Click(selector string) {
	b.t.Helper()
	b.Ready()
	b.Do("click "+selector, func(ctx context.Context, target *chromedp.Target) (done chromedp.Void, err error) {
		for {
			next := click(ctx, target, selector)
			if next == nil {
				return done, nil
			}
			if ctx.Err() != nil {
				return done, errors.Join(err, next) // the one before tells more than that the time is over
			}
			if err = next; !isMoved(err) {
				return done, err
			}
		}
	})
}

func click(ctx context.Context, target *chromedp.Target, selector string) error {
	if _, err := chromedp.Evaluate[bool](fmt.Sprintf(takeAim, selector))(ctx, target); err != nil {
		return err
	}
	if _, err := chromedp.Click(chromedp.CSS(selector))(ctx, target); err != nil {
		return err
	}
	hit, err := chromedp.Evaluate[bool](hasHit)(ctx, target)
	if err == nil && !hit {
		return errMissed
	}
	return nil // a page that is being left can't be asked
}

// isMoved tells whether the page has changed under a click.
func isMoved(err error) bool {
	if errors.Is(err, errMissed) || errors.Is(err, chromedp.ErrInvalidDimensions) {
		return true
	}
	for _, text := range []string{"Could not find node", "Node is detached", "does not have a layout object", "Could not compute content quads"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
