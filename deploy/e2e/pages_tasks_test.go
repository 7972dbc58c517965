package e2e_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/proto/freeport"
)

// taskLimit bounds each wait for what a task brings.
const taskLimit = 60 * time.Second

// walk is an admin on the way to what they want. It counts the steps: a navigation, a field, a
// choice, a button, a confirmation, a command or a text that is pasted. To look costs nothing.
type walk struct {
	*testing.T
	tab     *browser.Tab
	stack   *stack.Stack
	gateway *stack.Gateway
	steps   []string
}

func (w *walk) step(format string, args ...any) {
	w.steps = append(w.steps, fmt.Sprintf(format, args...))
}

// home is where each task begins.
func (w *walk) home() {
	w.Helper()
	w.tab.Go(w.gateway.URL + "/admin/")
}

// open follows a link of the page to another one.
func (w *walk) open(selector, path string) {
	w.Helper()
	w.step("open %s", path)
	w.tab.Follow(selector)
	w.tab.Until("the page is "+path, fmt.Sprintf("location.pathname.startsWith(%q)", path))
}

// save presses a button that has the page sent, and shown anew.
func (w *walk) save(selector string) {
	w.Helper()
	w.step("click %s", selector)
	w.tab.Follow(selector)
}

// click presses a button.
func (w *walk) click(selector string) {
	w.Helper()
	w.step("click %s", selector)
	w.tab.Click(selector)
}

// fill fills in a field.
func (w *walk) fill(selector, text string) {
	w.Helper()
	w.step("fill %s", selector)
	w.tab.Type(selector, text)
}

// paste puts a text of lines into a field, which is to tell that it has changed.
func (w *walk) paste(selector, text string) {
	w.Helper()
	w.step("paste into %s", selector)
	w.tab.Until(selector+" is there", fmt.Sprintf("document.querySelector(%q)?.checkVisibility() === true", selector))
	browser.Eval[any](w.tab, fmt.Sprintf("(() => { const field = document.querySelector(%q); field.value = %q; field.dispatchEvent(new Event('input', { bubbles: true })); })()", selector, text))
}

// search puts a text into the search of every page: the field opens where it is tapped.
func (w *walk) search(text string) {
	w.Helper()
	w.step("paste into the search")
	w.tab.Click("#open-search")
	w.tab.Type("#palette-field", text)
}

// choose takes the option of a list that has the text.
func (w *walk) choose(selector, option string) {
	w.Helper()
	w.step("choose %s", option)
	if !browser.Eval[bool](w.tab, fmt.Sprintf(`(() => {
		const list = document.querySelector(%q);
		list.selectedIndex = [...list.options].findIndex((each) => each.text === %q);
		list.dispatchEvent(new Event('change', { bubbles: true }));
		return list.selectedIndex >= 0;
	})()`, selector, option)) {
		w.Fatalf("%s has no %q", selector, option)
	}
}

// press presses the button of the first row that has the text.
func (w *walk) press(rows, text, selector string) {
	w.Helper()
	w.step("press %s of %s", selector, text)
	row := fmt.Sprintf("[...document.querySelectorAll(%q)].find((row) => row.textContent.includes(%q))?.querySelector(%q)", rows, text, selector)
	w.tab.Until("there is "+text, row+"?.checkVisibility() === true")
	browser.Eval[any](w.tab, row+".click()")
}

// command runs a program with what a terminal has in its environment, and returns what it says.
func (w *walk) command(environment []string, name string, args ...string) string {
	w.Helper()
	w.step("run %s %s", filepath.Base(name), strings.Join(args, " "))
	command := exec.CommandContext(w.Context(), name, args...)
	command.Env = append(stack.BaseEnv(), environment...)
	output, err := command.CombinedOutput()
	if err != nil {
		w.Fatalf("%s %v: %v\n%s", name, args, err, output)
	}
	return string(output)
}

func (w *walk) eventually(what string, condition func() bool) {
	w.Helper()
	stack.Eventually(w.T, what, taskLimit, condition)
}

// until waits longer than the tab does, on a page that stays.
func (w *walk) until(what, expression string) {
	w.Helper()
	w.eventually(what, func() bool { return browser.Eval[bool](w.tab, expression) })
}

// ask sends a chat request, and returns its id and its status.
func (w *walk) ask(model string) (id string, status int) {
	w.Helper()
	answer := send(w.T, w.gateway, http.MethodPost, "/v1/chat/completions", stack.AdminToken, chatBody(model, "Hello", false), nil)
	id = answer.header.Get("X-Request-Id")
	w.eventually("the request is logged", func() bool {
		return w.gateway.Admin(w.T, http.MethodGet, "/admin/api/logs/"+id, nil).Status == http.StatusOK
	})
	return id, answer.status
}

// pool makes an upstream of the task's own, with tokens, and a model that nothing else serves.
func (w *walk) pool(name string, n int) (model string, tokens []stack.Token) {
	w.Helper()
	model = name + "-model"
	w.stack.PutUpstream(name, map[string]any{"driver": "openai", "base_url": w.stack.SimURL + "/v1", "models": []string{model}})
	return model, w.stack.AddTokens(name, name, n, 0)
}

// everydayTasks are what admins do, each with the most steps that it may take. do is told a word
// that no other task has: the tasks share a pair, and each is done at two widths.
var everydayTasks = []struct {
	name string
	most int
	do   func(w *walk, own string)
}{
	{"from the first start to the first answer", 2, firstAnswer},
	{"add a Cursor token, tested", 3, addOne},
	{"add 50 keys of a new upstream, tested", 5, addMany},
	{"why did a request fail", 2, whyFailed},
	{"why did a request fail, by its id", 1, whyFailedByID},
	{"why does no token serve a model", 2, whyNone},
	{"what is left in all accounts", 1, whatIsLeft},
	{"disable a token for an hour", 3, disableForAnHour},
	{"undo a mass change", 2, undoMany},
	{"the use of 7 days per model and per token", 2, usePerModelAndToken},
	{"change the strategy and see the effect", 3, changeStrategy},
	{"access for a colleague", 4, giveAccess},
	{"back up and restore everything", 5, backUpAndRestore},
}

// The everyday tasks of an admin take no more steps than they should, on a desk and on a phone.
func TestEverydayTasksTakeFewSteps(t *testing.T) {
	s := stack.Start(t, stack.Options{Sim: upstreamsim.Options{Models: []string{"relay-mini"}}})
	gateway := s.Gateways[0]
	s.AddTokens("cursor", "work", 2, 0)
	for _, width := range []int{1280, 390} {
		tab := login(t, gateway, "/admin/")
		tab.Use(browser.Look{Width: width})
		for i, task := range everydayTasks {
			t.Logf("%s, %d wide", task.name, width)
			w := &walk{T: t, tab: tab, stack: s, gateway: gateway}
			w.home()
			task.do(w, fmt.Sprintf("task%d-%d", i+1, width))
			if len(w.steps) > task.most {
				t.Errorf("%d steps, of at most %d:\n%s", len(w.steps), task.most, strings.Join(w.steps, "\n"))
			}
			if t.Failed() {
				return // what follows shares the pair
			}
			t.Logf("%d of %d steps", len(w.steps), task.most)
		}
		if problems := tab.Problems(); len(problems) > 0 {
			t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
		}
	}
}

// firstAnswer starts Carousel in an empty folder and pastes the lines that it prints.
func firstAnswer(w *walk, _ string) {
	if _, err := exec.LookPath("curl"); err != nil {
		w.Log("there is no curl here")
		return
	}
	folder := w.TempDir()
	program := filepath.Join(folder, "carousel")
	build := exec.CommandContext(w.Context(), "go", "build", "-o", program, "./carousel")
	build.Dir = filepath.Join(stack.Root(w.T), "deploy")
	if output, err := build.CombinedOutput(); err != nil {
		w.Fatalf("%v\n%s", err, output)
	}
	w.step("run it")
	start := exec.CommandContext(w.Context(), program, "local", "--data", filepath.Join(folder, "data"))
	_, port, _ := strings.Cut(freeport.MustAddr(w.T), ":")
	start.Dir, start.Env = folder, append(stack.BaseEnv(), "PORT="+port)
	said, err := start.StdoutPipe()
	if err == nil {
		err = start.Start()
	}
	if err != nil {
		w.Fatal(err)
	}
	late := time.AfterFunc(2*taskLimit, func() { _ = start.Process.Kill() })
	defer late.Stop()
	defer func() {
		_ = start.Process.Signal(os.Interrupt)
		_ = start.Wait()
	}()
	var printed strings.Builder
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		printed.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), `"messages":`) {
			break
		}
	}
	block := regexp.MustCompile(`(?s)    export CAROUSEL=.*`).FindString(printed.String())
	if block == "" {
		w.Fatalf("it says nothing to paste:\n%s", printed.String())
	}
	w.step("paste what it prints into a shell")
	shell := exec.CommandContext(w.Context(), "sh", "-e")
	shell.Stdin, shell.Env = strings.NewReader(block), append(stack.BaseEnv(), "NO_PROXY=localhost,127.0.0.1")
	answer, err := shell.CombinedOutput()
	if err != nil || !strings.Contains(string(answer), "chat.completion.chunk") || !strings.Contains(string(answer), "data: [DONE]") {
		w.Errorf("%v\n%s", err, answer)
	}
}

// addOne adds a token as Cursor's site has them; by that it is known whose it is.
func addOne(w *walk, own string) {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	secret := part(`{"alg":"none"}`) + "." + part(`{"sub":"`+own+`","exp":4102444800}`) + "." + part("signed")
	w.open("#home-add", "/admin/tokens")
	w.paste("#paste", own+"::"+secret)
	w.click("#add-test")
	w.tab.See("#add-verdicts", own)
	w.tab.See("#add-verdicts", "Works")
	if token, there := byAlias(w.T, w.gateway, own); !there || token.Upstream != "cursor" || token.Requests != 1 {
		w.Errorf("the token is %+v", token)
	}
}

func addMany(w *walk, own string) {
	const keys = 50
	var pasted strings.Builder
	for i := range keys {
		fmt.Fprintf(&pasted, "%s-%02d::sk-secret-%02d-of-%s-of-the-e2e-test\n", own, i, i, own)
	}
	refused := fmt.Sprintf("sk-secret-07-of-%s-of-the-e2e-test", own)
	if err := w.stack.Sim.SetRule(upstreamsim.Rule{Scenario: "http-401", Token: upstreamsim.Fingerprint(refused)}); err != nil {
		w.Fatal(err)
	}
	defer w.stack.Sim.Reset()
	w.open("#home-add", "/admin/tokens")
	w.paste("#paste", pasted.String())
	w.choose("#add-upstream", "Another one, OpenAI-compatible")
	w.fill("#add-url", w.stack.SimURL+"/v1")
	w.tab.Expect("401")
	w.tab.Expect("503")
	w.tab.Expect("429")
	made := browser.Eval[string](w.tab, "document.getElementById('add-name').value")
	for _, problem := range w.tab.Accessibility() {
		w.Errorf("the dialog: %s", problem)
	}
	w.click("#add-test")
	w.until("there is a verdict on each", fmt.Sprintf("document.querySelectorAll('#add-verdicts li .pill').length === %d", keys))
	w.tab.See("#add-tested", "49 work, 1 don’t")
	if folder := os.Getenv("SCREENSHOTS"); folder != "" {
		w.tab.Screenshot(filepath.Join(folder, own+".png"))
	}
	w.tab.Until("the bad one is told", fmt.Sprintf("[...document.querySelectorAll('#add-verdicts li')].some((each) => each.textContent.includes('%s-07') && each.querySelector('.pill.expired'))", own))
	found := 0
	for _, token := range w.gateway.Tokens(w.T) {
		if strings.HasPrefix(token.Alias, own+"-") && token.Upstream == made {
			found++
		}
	}
	if found != keys {
		w.Errorf("%s has %d of the keys", made, found)
	}
}

// refuse lets a request fail because its only token is refused.
func refuse(w *walk, own string) (id string) {
	model, tokens := w.pool(own, 1)
	if err := w.stack.Sim.SetRule(upstreamsim.Rule{Scenario: "http-401", Token: upstreamsim.Fingerprint(tokens[0].Secret)}); err != nil {
		w.Fatal(err)
	}
	defer w.stack.Sim.Reset()
	id, status := w.ask(model)
	if status == http.StatusOK {
		w.Fatal("the request did not fail")
	}
	return id
}

func whyFailed(w *walk, own string) {
	refuse(w, own)
	w.open(".nav a[href='/admin/logs']", "/admin/logs")
	w.press("#log-rows tr", own+"-model", "a")
	seeWhy(w, own)
}

func whyFailedByID(w *walk, own string) {
	w.search(refuse(w, own))
	seeWhy(w, own)
}

// seeWhy reads on the page of a request which token failed, why, and what that did to it.
func seeWhy(w *walk, own string) {
	w.tab.See("h1", "Request")
	w.tab.See("#attempts", own+"-1")
	w.tab.See("#attempts", "Token refused")
	w.tab.See("#attempts", "401")
}

func whyNone(w *walk, own string) {
	model, tokens := w.pool(own, 2)
	bulk(w.T, w.gateway, "disable", []string{tokens[0].ID, tokens[1].ID})
	w.open(".nav a[href='/admin/models']", "/admin/models")
	w.open("[data-key=model-"+model+"] .row-link a", "/admin/why")
	w.tab.See("#why-verdict", "Nothing can serve "+model+" now")
	w.tab.See("main", tokens[0].Alias)
	w.tab.See("main", "disabled")
}

func whatIsLeft(w *walk, _ string) {
	w.open("#home-left", "/admin/usage/left")
	w.tab.See("main", "work-1")
	w.tab.See("main", "work-2")
	w.tab.Until("it is told how much is left", "document.querySelectorAll('main table meter').length >= 2")
}

func disableForAnHour(w *walk, own string) {
	_, tokens := w.pool(own, 1)
	began := time.Now()
	w.open(".nav a[href='/admin/tokens']", "/admin/tokens")
	w.press("#token-table tbody tr", tokens[0].Alias, "[data-action=toggle]")
	w.click("#disable-dialog [value='1h']")
	w.tab.See("#token-"+tokens[0].ID, "Disabled")
	var now struct {
		Enabled       bool       `json:"enabled"`
		DisabledUntil *time.Time `json:"disabled_until"`
	}
	w.gateway.MustAdmin(w.T, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+tokens[0].ID, nil).JSON(w.T, &now)
	if now.Enabled || now.DisabledUntil == nil || now.DisabledUntil.Before(began.Add(59*time.Minute)) || now.DisabledUntil.After(time.Now().Add(61*time.Minute)) {
		w.Errorf("it is disabled until %v", now.DisabledUntil)
	}
}

func undoMany(w *walk, own string) {
	_, tokens := w.pool(own, 7)
	ids := make([]string, 0, len(tokens))
	for _, token := range tokens {
		ids = append(ids, token.ID)
	}
	bulk(w.T, w.gateway, "delete", ids)
	w.open(".nav a[href='/admin/activity']", "/admin/activity")
	w.press("#audit tbody tr", "Tokens deleted: 7", "[data-undo]")
	w.tab.See("#toasts", "Changes undone: 7")
	for _, token := range tokens {
		if back, there := byAlias(w.T, w.gateway, token.Alias); !there || back.ID != token.ID {
			w.Errorf("%s is not back", token.Alias)
		}
	}
}

func usePerModelAndToken(w *walk, own string) {
	model, tokens := w.pool(own, 1)
	// More than a test of a token asks: the page lists the hundred with the most requests.
	if failed := chats(w.T, w.stack.Gateways, model, 10, 1); failed > 0 {
		w.Fatalf("%d requests failed", failed)
	}
	w.eventually("the use is counted", func() bool {
		counted := func(group, what string) bool {
			answer := w.gateway.MustAdmin(w.T, http.StatusOK, http.MethodGet, "/admin/api/usage?group="+group, nil)
			return strings.Contains(string(answer.Body), what)
		}
		return counted("model", model) && counted("token", tokens[0].ID)
	})
	w.open("#home-use", "/admin/usage")
	w.tab.See("#use-table tbody", model)
	w.open("#use-by a[href*='by=token']", "/admin/usage")
	w.tab.See("#use-table tbody", tokens[0].Alias)
	if query := browser.Eval[string](w.tab, "location.search"); !strings.Contains(query, "range=7d") {
		w.Errorf("the use is of %s", query)
	}
}

func changeStrategy(w *walk, own string) {
	model, _ := w.pool(own, 2)
	defer w.gateway.MustAdmin(w.T, http.StatusOK, http.MethodPost, "/admin/api/settings/reset", map[string]any{"names": []string{"rotation_strategy"}})
	ask := func(n int) {
		if failed := chats(w.T, w.stack.Gateways, model, n, 2); failed > 0 {
			w.Fatalf("%d requests failed", failed)
		}
	}
	ask(60) // more than any other pool has
	share := func(want string) string {
		return fmt.Sprintf("[...document.querySelectorAll('#shares tbody tr')].some((row) => row.textContent.includes(%q) && %s)", own, want)
	}
	w.open(".nav a[href='/admin/settings']", "/admin/settings")
	w.until("both tokens have their share", share("row.cells[3].textContent.includes('50')"))
	w.click("#rotation_strategy-fill_first")
	w.save("#settings-save")
	w.tab.See("#setting-rotation_strategy .earlier", "In turn, by weight")
	ask(180)
	w.until("one token has more of them", share("parseFloat(row.cells[3].textContent) > 70"))
}

func giveAccess(w *walk, own string) {
	model, _ := w.pool(own, 1)
	w.open(".nav a[href='/admin/keys']", "/admin/keys")
	w.click("#new-key")
	w.fill("#k-name", own)
	w.save("#key-save")
	w.tab.See("main", "Copy it now")
	secret := shownText(w.tab, "secret")
	answer := send(w.T, w.gateway, http.MethodPost, "/v1/chat/completions", secret, chatBody(model, "Hello", false), nil)
	if answer.status != http.StatusOK || !strings.HasPrefix(secret, "sk-carousel-") {
		w.Errorf("the key is answered with %d %s", answer.status, answer.body)
	}
}

func backUpAndRestore(w *walk, own string) {
	w.pool(own, 2)
	w.gateway.MustAdmin(w.T, http.StatusOK, http.MethodPut, "/admin/api/routes/"+own, map[string]any{"targets": []map[string]any{{"upstream": own, "model": own + "-model"}}})
	attempts := func(n int) {
		w.gateway.MustAdmin(w.T, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"max_attempts": n})
	}
	attempts(5)
	file := filepath.Join(w.TempDir(), "carousel.backup.age")
	program := stack.Binary(w.T, "gateway")
	w.step("type a passphrase")
	terminal := []string{"CAROUSEL_URL=" + w.gateway.URL, "CAROUSEL_KEY=" + stack.AdminToken, "CAROUSEL_PASSPHRASE=" + backupPassphrase}
	w.command(terminal, program, "admin", "backup", file)

	before := stack.Exports(w.T, w.gateway)
	w.gateway.MustAdmin(w.T, http.StatusNoContent, http.MethodDelete, "/admin/api/routes/"+own, nil)
	attempts(7)
	w.step("type the passphrase")
	if plan := w.command(terminal, program, "admin", "restore", file); !strings.Contains(plan, own) || !strings.Contains(plan, "7 → 5") {
		w.Errorf("the plan is\n%s", plan)
	}
	if w.gateway.Admin(w.T, http.MethodGet, "/admin/api/routes/"+own, nil).Status != http.StatusNotFound {
		w.Error("the plan has restored something")
	}
	w.command(terminal, program, "admin", "restore", file, "--yes")
	if diff := stack.Difference(before, stack.Exports(w.T, w.gateway)); diff != "" {
		w.Errorf("what is restored differs in %s", diff)
	}
	w.tab.Go(w.gateway.URL + "/admin/activity")
	w.tab.See("#audit tbody tr", "Backup restored")
}
