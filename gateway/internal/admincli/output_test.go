package admincli_test

import (
	"strings"
	"testing"
)

// What scripts read is exactly this.
func TestForms(t *testing.T) {
	for args, want := range map[string]string{
		"settings list -o yaml":          "log_prompts: true\nmax_attempts: 3\nvision_ability: base64\n",
		"settings list -o csv":           "log_prompts,max_attempts,vision_ability\r\ntrue,3,base64\r\n",
		"settings list -o json":          "{\n  \"log_prompts\": true,\n  \"max_attempts\": 3,\n  \"vision_ability\": \"base64\"\n}\n",
		"settings list --json -o csv":    "log_prompts,max_attempts,vision_ability\r\ntrue,3,base64\r\n", // the last one holds
		"settings list -o csv --json":    "{\n  \"log_prompts\": true,\n  \"max_attempts\": 3,\n  \"vision_ability\": \"base64\"\n}\n",
		"prices list --built-in -o csv":  "match,input_per_million\r\ngpt-5,1.25\r\n",
		"prices list --built-in -o yaml": "prices:\n", // the whole answer
		"pages list -o csv":              "path,type,content\r\n/about,text,\"Hello\r\n\"\r\n",
		"pages list -o yaml":             "pages:\n  - path: /about\n    type: text\n    content: |\n      Hello\nversion: 3\n",
		"audit list -o csv": "at,action,actor,remote_ip,request_id,details,undoable\r\n" +
			"2026-11-22T11:00:00Z,token deleted,api,10.0.0.1,q1,\"{\"\"token_id\"\":\"\"t1\"\",\"\"alias\"\":\"\"work\"\"}\",true\r\n",
		"logs list --key k1 -o csv":             "",
		"tokens delete t1 -o yaml":              "",
		"upstreams delete vllm --json":          "",
		"usage --by model --model gpt-5 -o csv": "model,requests\r\ngpt-5,4\r\n",
		"routes list -o csv": "name,match,parameters,version,upstream,model,priority,weight\r\n" +
			"quick,fast,\"{\"\"reasoning_effort\"\":\"\"low\"\",\"\"temperature\"\":{\"\"default\"\":0.2}}\",1,cursor,gpt-4o,0,3\r\n" +
			"quick,fast,\"{\"\"reasoning_effort\"\":\"\"low\"\",\"\"temperature\"\":{\"\"default\"\":0.2}}\",1,vllm,,1,1\r\n",
		"tokens import - -o csv": "line,reason\r\n3,it is no token\r\n",
	} {
		t.Run(args, func(t *testing.T) {
			got := newAPI(t).run(t, "", strings.Fields(args)...)
			if got.stdout != want && (want != "prices:\n" || !strings.HasPrefix(got.stdout, want)) {
				t.Errorf("got\n%s\nwant\n%s", got.stdout, want)
			}
		})
	}
}

// An account with no quota around it still has what its pool says.
func TestCSVOfListsInLists(t *testing.T) {
	got := newAPI(t).run(t, "", "quotas", "--upstream", "cursor", "-o", "csv").stdout
	lines := strings.Split(strings.TrimSuffix(got, "\r\n"), "\r\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "upstream,left,limit,") || !strings.Contains(lines[0], ",token_id,alias,") ||
		!strings.HasPrefix(lines[1], "cursor,170,200,") || !strings.Contains(lines[1], ",t1,work,ready,") || !strings.HasPrefix(lines[2], "vendor,0,0,") {
		t.Errorf("got\n%s", got)
	}
}

// Objects that are changed one after the other are documents of YAML and rows of one table.
func TestFormsOfSeveralAnswers(t *testing.T) {
	for form, want := range map[string]struct {
		text  string
		times int
	}{
		"yaml": {"\n---\n", 1},
		"csv":  {"fingerprint", 1},
		"json": {`"fingerprint"`, 2},
	} {
		got := newAPI(t).run(t, "", "tokens", "enable", "t1", "work", "-o", form)
		if n := strings.Count(got.stdout, want.text); got.code != 0 || n != want.times {
			t.Errorf("%s: code %d, %d times %q in\n%s", form, got.code, n, want.text, got.stdout)
		}
	}
}

// A model's name that is a formula is none in a spreadsheet, and what looks like a number or a
// switch stays the text that it is.
func TestTextsStayTexts(t *testing.T) {
	for form, want := range map[string]string{
		"csv":  "name,count,on,tags\r\n'=1+1,-1,true,\"[\"\"a\"\"]\"\r\n",
		"yaml": "name: =1+1\ncount: -1\n\"on\": \"true\"\ntags:\n  - a\n",
	} {
		a := newAPI(t)
		a.also = map[string]string{"GET /settings": `{"name":"=1+1","count":-1,"on":"true","tags":["a"]}`}
		if got := a.run(t, "", "settings", "list", "-o", form); got.stdout != want {
			t.Errorf("%s: got %q, want %q", form, got.stdout, want)
		}
	}
}

// What is no JSON is said to be none in every form.
func TestAnswersThatCanNotBeRead(t *testing.T) {
	for _, form := range []string{"table", "json", "yaml", "csv"} {
		a := newAPI(t)
		a.also = map[string]string{"GET /settings": `{"name":`}
		if got := a.run(t, "", "settings", "list", "-o", form); got.code != 1 || !strings.Contains(got.stderr, "the gateway's answer can't be read") {
			t.Errorf("%s: code %d, %q", form, got.code, got.stderr)
		}
	}
}
