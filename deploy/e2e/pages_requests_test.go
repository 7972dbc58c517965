package e2e_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// A request that needed two tokens is followed: what it did to the first one is undone from its
// page, it is sent again from a shell and from a page, and the list is narrowed and taken along.
func TestRequestsInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 2, 0)
	id := blamed(t, s, tokens[0])
	tab := login(t, gateway, "/admin/logs/"+id)

	undoOnThePage(t, tab, gateway, id, tokens[0].ID)
	sendFromAShell(t, tab, gateway)
	repeatInThePage(t, tab)
	narrowTheList(t, tab, gateway, id)
	chooseTime(t, tab)
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// blamed sends requests until one succeeds after the token was refused, and returns its id. The
// upstream takes the token again then.
func blamed(t *testing.T, s *stack.Stack, token stack.Token) (id string) {
	t.Helper()
	gateway := s.Gateways[0]
	if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: "http-429", Token: upstreamsim.Fingerprint(token.Secret), RetryAfter: 10 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	s.Eventually("a request blames the token", 30*time.Second, func() bool {
		send(t, gateway, http.MethodPost, "/v1/chat/completions", stack.AdminToken, chatBody("gpt-test", "It's me", false), nil)
		var history struct {
			Transitions []struct {
				RequestID string `json:"request_id"`
			} `json:"transitions"`
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+token.ID+"/transitions", nil).JSON(t, &history)
		if len(history.Transitions) > 0 {
			id = history.Transitions[0].RequestID
		}
		return id != ""
	})
	s.Sim.Reset()
	s.Eventually("the request is logged", 30*time.Second, func() bool {
		return gateway.Admin(t, http.MethodGet, "/admin/api/logs/"+id, nil).Status == http.StatusOK
	})
	return id
}

func undoOnThePage(t *testing.T, tab *browser.Tab, gateway *stack.Gateway, id, token string) {
	t.Helper()
	tab.See("#attempts", "It cools until")
	tab.Click("#attempts [data-undo-token='" + token + "']")
	stack.Eventually(t, "the token is back", 20*time.Second, func() bool {
		for _, each := range gateway.Tokens(t) {
			if each.ID == token {
				return each.State != "cooling"
			}
		}
		return false
	})
	tab.Go(gateway.URL + "/admin/logs/" + id)
	tab.See("#attempts", "undone by an admin")
	if left := browser.Eval[int](tab, "document.querySelectorAll('[data-undo-token]').length"); left != 0 {
		t.Errorf("%d undos are left", left)
	}
}

func sendFromAShell(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("there is no curl here")
		return
	}
	tab.Click("#as-curl summary")
	tab.See("#curl", "$CAROUSEL")
	shell := exec.CommandContext(t.Context(), "sh", "-c", shownText(tab, "curl")+" -sf --max-time 60")
	shell.Env = append(shell.Environ(), "CAROUSEL="+gateway.URL, "KEY="+stack.AdminToken)
	if answer, err := shell.Output(); err != nil || !strings.Contains(string(answer), "chat.completion") {
		t.Errorf("%v: %s", err, answer)
	}
}

func repeatInThePage(t *testing.T, tab *browser.Tab) {
	t.Helper()
	tab.Follow("#next a[href^='/admin/try?request=']")
	tab.Until("its text is there", "document.querySelector('#try-text')?.value === \"It's me\" && document.querySelector('#try-model').value === 'gpt-test'")
	tab.Click("#try-send")
	tab.See("#try-messages", "In the log")
}

// A row of the list opens its request beside it, and the way back closes it: by the browser, by a
// key, by the button. The focus goes in, and comes back. Its address can be linked to.
func TestRequestsOpenBesideTheList(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 2, 0)
	id := blamed(t, s, tokens[0])
	tab := login(t, gateway, "/admin/logs")
	tab.Go(gateway.URL + "/admin/logs?model=gpt-test")
	open := func() {
		t.Helper()
		tab.Click("#entry-" + id)
	}
	opened := func() {
		t.Helper()
		tab.See("#drawer #attempts", "It cools until")
		tab.Until("the focus is in it, and the address names it", "document.activeElement?.closest('#drawer') !== null && location.hash === '#request-"+id+"' && location.search === '?model=gpt-test'")
	}
	closed := func() {
		t.Helper()
		tab.Until("it is closed, the focus is in its row, and the address names it no more",
			"!document.getElementById('drawer').open && document.activeElement?.closest('tr')?.id === 'entry-"+id+"' && location.hash === '' && location.search === '?model=gpt-test'")
	}
	for _, leave := range []func(){
		func() { browser.Eval[any](tab, "void history.back()") },
		func() { tab.Press("\x1b") },
		func() { tab.Click("#drawer [data-closes]") },
	} {
		open()
		opened()
		leave()
		closed()
	}
	tab.Go(gateway.URL + "/admin/logs")
	tab.Go(gateway.URL + "/admin/logs?model=gpt-test#request-" + id)
	opened()
	tab.Press("\x1b")
	closed()

	open()
	opened()
	undoBeside(t, tab, gateway, tokens[0].ID)
	for _, language := range []string{"en", "zh"} {
		speak(tab, gateway, "/admin/logs", language)
		tab.Go(gateway.URL + "/admin/logs?model=gpt-test#request-" + id)
		tab.See("#drawer #attempts", "gpt-test")
		inEveryLook(t, tab, "request-beside-"+language)
		if narrow := browser.Eval[[]float64](tab, "(({ left, width, height }) => [left, width - innerWidth, height - innerHeight])(document.getElementById('drawer').getBoundingClientRect())"); narrow[0] != 0 || narrow[1] != 0 || narrow[2] != 0 {
			t.Errorf("on a narrow screen it is off by %v", narrow)
		}
		tab.Use(looks[0])
	}
	tab.Follow("#drawer-page")
	tab.Until("its page is there", "location.pathname === '/admin/logs/"+id+"'")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// What comes while somebody reads further down, or has a request open, waits behind a button, and
// what is read stays where it is. At the top the list goes on by itself.
func TestLiveTailWaitsForItsReader(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 2, 0)
	ask := func(n int) {
		t.Helper()
		if failed := chats(t, []*stack.Gateway{gateway}, "gpt-test", n, 1); failed > 0 {
			t.Fatalf("%d requests failed", failed)
		}
	}
	ask(40)
	tab := login(t, gateway, "/admin/logs")
	tab.Click("#live-tail")
	tab.Until("all rows are there", "document.querySelectorAll('#log-rows tr').length === 40")
	shown := func(n string) {
		t.Helper()
		tab.Until(n+" rows are there", "document.querySelectorAll('#log-rows tr').length === "+n+" && document.getElementById('tail-held').hidden")
	}

	browser.Eval[any](tab, `(() => {
		window.scrollTo(0, document.body.scrollHeight);
		window.read = [...document.querySelectorAll('#log-rows tr')].at(-5);
		window.place = window.read.getBoundingClientRect().top;
	})()`)
	ask(3)
	tab.See("#tail-held", "3 new")
	tab.See("#tail-news", "Paused while you read")
	tab.Until("what is read has not moved", "window.read.getBoundingClientRect().top === window.place && document.querySelectorAll('#log-rows tr').length === 40")
	for _, problem := range tab.Accessibility() {
		t.Errorf("while rows wait: %s", problem)
	}
	tab.Click("#tail-held")
	shown("43")
	tab.Until("the newest is in sight, and has the focus", `((row) => row.getBoundingClientRect().top >= 0 && row.getBoundingClientRect().bottom < innerHeight
		&& row.contains(document.activeElement))(document.querySelector('#log-rows tr.fresh'))`)

	tab.Until("all bars end at the slowest one", `((bars) => bars.length === 43 && bars.every((bar) => bar.viewBox.baseVal.width === Math.max(1, ...bars.map((each) => each.dataset.ms))))(
		[...document.querySelectorAll('#log-rows .took-bar')])`)
	browser.Eval[any](tab, "window.scrollTo(0, document.body.scrollHeight)")
	ask(1)
	tab.See("#tail-held", "1 new")
	browser.Eval[any](tab, "window.scrollTo(0, 0)")
	shown("44")

	tab.Click("#log-rows tr")
	tab.See("#drawer", "gpt-test")
	ask(2)
	tab.Until("two wait", "document.querySelector('#tail-held span').textContent === '2 new' && document.querySelectorAll('#log-rows tr').length === 44")
	for _, step := range []struct{ key, row string }{{"j", "1"}, {"j", "2"}, {"k", "1"}, {"k", "0"}, {"k", "0"}} {
		tab.Press(step.key)
		tab.Until("row "+step.row+" is beside the list", `((row, body) => location.hash === '#request-' + row.id.slice('entry-'.length) && !body.ariaBusy && body.textContent.includes(row.id.slice('entry-'.length)))(
			document.querySelectorAll('#log-rows tr')[`+step.row+`], document.getElementById('drawer-body'))`)
	}
	tab.Press("\x1b")
	shown("46")
	tab.Until("one way back was enough", "location.hash === '' && !document.getElementById('drawer').open")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

func undoBeside(t *testing.T, tab *browser.Tab, gateway *stack.Gateway, token string) {
	t.Helper()
	tab.Click("#drawer [data-undo-token='" + token + "']")
	stack.Eventually(t, "the token is back", time.Minute, func() bool {
		for _, each := range gateway.Tokens(t) {
			if each.ID == token {
				return each.State != "cooling"
			}
		}
		return false
	})
}

func narrowTheList(t *testing.T, tab *browser.Tab, gateway *stack.Gateway, id string) {
	t.Helper()
	tab.Go(gateway.URL + "/admin/logs")
	tab.Follow("#log-views a[href*='retried']")
	tab.See("#log-chips", "Tried again")
	tab.Until("all rows tell of attempts", `(() => {
		const rows = [...document.querySelectorAll('#log-rows tr')];
		return rows.length > 0 && rows.every((row) => row.textContent.includes('at attempt 2'));
	})()`)
	browser.Eval[any](tab, "void fetch(document.getElementById('log-json').href).then((answer) => answer.text()).then((text) => { window.entries = text.trim().split('\\n').map((line) => JSON.parse(line)); })")
	tab.Until("the file of JSON has it, with its attempts", "window.entries?.some((entry) => entry.id.endsWith('"+id+"') && entry.attempt_log.length === 2)")
	browser.Eval[any](tab, "void fetch(document.getElementById('log-file').href).then((answer) => answer.text()).then((text) => { window.file = text; })")
	tab.Until("the file is there", "window.file !== undefined")
	file := browser.Eval[string](tab, "window.file")
	if lines := strings.Split(strings.TrimSpace(file), "\r\n"); !strings.HasPrefix(lines[0], "id,started_at,") || !strings.Contains(file, id) {
		t.Errorf("the file has %q", file)
	}
	tab.Follow("#log-chips a")
	tab.Until("no filter is left", "location.search === '' && document.getElementById('log-chips') === null")
	askInWords(t, tab, gateway)
}

// askInWords types what is looked for into the query field.
func askInWords(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	tab.Type("#f-query", "attempts:>1 model:gpt-test")
	tab.Submit()
	tab.Until("the terms are chips, and the field is empty", `document.getElementById('f-query').value === '' && location.search === '?model=gpt-test&retried=true'
		&& document.querySelectorAll('#log-chips li').length === 2`)
	tab.See("#log-rows", "at attempt 2")
	tab.Type("#f-query", "status:failed >1h")
	tab.Submit()
	tab.Until("they come to those that are set", "location.search === '?min_total=1h&model=gpt-test&retried=true&status=failure'")
	tab.Expect("400")
	tab.Type("#f-query", "mood:happy")
	tab.Submit()
	tab.See("main [role=alert]", "There is no term “mood:happy”")
	tab.Until("it stays in the field", "document.getElementById('f-query').value === 'mood:happy' && document.querySelectorAll('#log-chips li').length === 4")
	tab.Go(gateway.URL + "/admin/logs?from=2026-01-31T05:18:10Z&to=2026-01-31T05:18:40.5Z")
	tab.Type("#f-query", "model:gpt-test")
	tab.Submit()
	tab.Until("the time stays as it was chosen", "location.search === '?from=2026-01-31T05%3A18%3A10Z&model=gpt-test&to=2026-01-31T05%3A18%3A40.5Z'")
	tab.Go(gateway.URL + "/admin/logs")
}

// chooseTime drags over the histogram's bars, and follows one.
func chooseTime(t *testing.T, tab *browser.Tab) {
	t.Helper()
	tab.Until("there are bars", "document.querySelectorAll('#log-histogram a').length > 1")
	tab.Leave("a drag over the bars", func() {
		browser.Eval[any](tab, `(() => {
		const bars = document.querySelectorAll('#log-histogram a .point');
		const point = (type, bar) => {
			const { left, top, width, height } = bar.getBoundingClientRect();
			bar.dispatchEvent(new PointerEvent(type, { bubbles: true, cancelable: true, pointerType: 'mouse', clientX: left + width / 2, clientY: top + height / 2 }));
		};
		point('pointerdown', bars[0]);
		point('pointermove', bars[bars.length - 1]);
		point('pointerup', bars[bars.length - 1]);
	})()`)
	})
	tab.Until("the time is chosen", "new URLSearchParams(location.search).has('from') && new URLSearchParams(location.search).has('to')")
	tab.See("#log-chips", "From")
	tab.See("#log-rows", "gpt-test")
	tab.Until("a bar has requests", "document.querySelector('#log-histogram a .all') !== null")
	tab.Leave("a click on a bar", func() {
		browser.Eval[any](tab, "void document.querySelector('#log-histogram a:has(.all)').dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))")
	})
	tab.Until("that time is shown", "(count => count > 0 && count < 20)(document.querySelectorAll('#log-histogram a').length)")
}

// The pages about requests, light and dark, wide and narrow, in both languages: nothing that keeps
// people from using them. With SCREENSHOTS=<folder> each is also drawn.
func TestRequestPagesAreAccessible(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 2, 0)
	id := blamed(t, s, tokens[0])
	tab := login(t, gateway, "/admin/logs")
	for _, language := range []string{"en", "zh"} {
		speak(tab, gateway, "/admin/logs", language)
		tab.Go(gateway.URL + "/admin/logs?retried=true&status=success&min_total=1us&from=2026-01-31T12:00:00Z")
		look(t, tab, "requests-chosen", language)
		tab.Go(gateway.URL + "/admin/logs")
		look(t, tab, "requests", language)
		tab.Expect("400")
		tab.Go(gateway.URL + "/admin/logs?q=mood:happy")
		look(t, tab, "requests-wrong", language)
		tab.Go(gateway.URL + "/admin/logs/" + id)
		browser.Eval[any](tab, "document.getElementById('as-curl').open = true")
		look(t, tab, "request", language)
		tab.Go(gateway.URL + "/admin/try?request=" + id)
		look(t, tab, "request-again", language)
	}
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}
