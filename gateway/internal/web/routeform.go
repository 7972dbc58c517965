package web

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// spareTargets is how many empty lines for more targets the form has.
const spareTargets = 2

// routeForm is a route as it is edited: all is text until it is saved.
type routeForm struct {
	// New: there is no route of this name yet.
	New         bool
	Name, Match string
	Version     uint64
	Targets     []targetFields
	Parameters  []parameterFields
	// Upstreams and Models are what can be chosen.
	Upstreams, Models []string
}

// targetFields are one line of the targets.
type targetFields struct{ Upstream, Model, Priority, Weight string }

func (f targetFields) empty() bool { return f.Upstream == "" && f.Model == "" }

// parameterFields are one line of the parameters; all of them are there.
type parameterFields struct {
	Name, Value string
	OnlyDefault bool
	IsText      bool
}

// formOf is the form for a route that is stored.
func formOf(route *tokenstorev1.Route) routeForm {
	form := routeForm{Name: route.GetName(), Match: routing.MatchOf(route), Version: route.GetVersion()}
	for _, each := range route.GetTargets() {
		form.Targets = append(form.Targets, targetFields{
			each.GetUpstream(), each.GetModel(), strconv.Itoa(int(each.GetPriority())), strconv.Itoa(int(each.GetWeight())),
		})
	}
	said := map[string]parameter{}
	for _, each := range parametersOf(route.GetParameters()) {
		said[each.Name] = each
	}
	for _, name := range routing.Parameters {
		each := said[string(name)]
		form.Parameters = append(form.Parameters, parameterFields{string(name), each.Value, each.OnlyDefault, routing.IsText(name)})
	}
	return form
}

// formFrom is the form as it was sent.
func formFrom(c *gin.Context) routeForm {
	form := routeForm{
		New: c.PostForm("new") != "", Name: strings.TrimSpace(c.PostForm("name")), Match: strings.TrimSpace(c.PostForm("match")),
	}
	form.Version, _ = strconv.ParseUint(c.PostForm("version"), 10, 64) // ours; without one nothing is checked
	upstreams := c.PostFormArray("upstream")
	for i, name := range upstreams[:min(len(upstreams), routing.MaxTargets)] {
		line := targetFields{name, nth(c, "model", i), nth(c, "priority", i), nth(c, "weight", i)}
		if !line.empty() {
			form.Targets = append(form.Targets, line)
		}
	}
	for _, name := range routing.Parameters {
		form.Parameters = append(form.Parameters, parameterFields{
			string(name), strings.TrimSpace(c.PostForm("value_" + string(name))), c.PostForm("when_"+string(name)) == "default", routing.IsText(name),
		})
	}
	return form
}

// nth is what the i-th of the fields of a name has.
func nth(c *gin.Context, name string, i int) string {
	if all := c.PostFormArray(name); i < len(all) {
		return strings.TrimSpace(all[i])
	}
	return ""
}

// widened has empty lines for more targets.
func (f routeForm) widened() routeForm {
	for range min(spareTargets, routing.MaxTargets-len(f.Targets)) {
		f.Targets = append(f.Targets, targetFields{Priority: "0", Weight: "1"})
	}
	return f
}

// Line numbers a target for people.
func (routeForm) Line(i int) int { return i + 1 }

// Choices are the upstreams that can be chosen, and the one that is, even if it is not there.
func (f routeForm) Choices(chosen string) []string {
	if chosen == "" || slices.Contains(f.Upstreams, chosen) {
		return f.Upstreams
	}
	return append([]string{chosen}, f.Upstreams...)
}

// route is what the form says. Its errors are for whoever fills it in.
func (f routeForm) route(texts texts) (*tokenstorev1.Route, error) {
	route := &tokenstorev1.Route{Name: f.Name, Match: f.Match}
	for i, line := range f.Targets {
		priority, badPriority := wholeNumber(line.Priority, 0)
		weight, badWeight := wholeNumber(line.Weight, 1)
		if badPriority != nil || badWeight != nil {
			return nil, wrongField(texts["problem.route_number"], i+1)
		}
		route.Targets = append(route.Targets, &tokenstorev1.RouteTarget{Upstream: line.Upstream, Model: line.Model, Priority: priority, Weight: weight})
	}
	if len(route.GetTargets()) == 0 {
		return nil, chat.Errorf(chat.InvalidRequest, "%s", texts["problem.route_targets"])
	}
	for _, line := range f.Parameters {
		if line.Value == "" {
			continue
		}
		value, err := line.json()
		if err != nil {
			return nil, wrongField(texts["problem.route_value"], texts.label("parameter", line.Name))
		}
		route.Parameters = append(route.Parameters, &tokenstorev1.RouteParameter{Name: line.Name, Value: value, OnlyDefault: line.OnlyDefault})
	}
	return route, nil
}

func wholeNumber(text string, absent uint32) (uint32, error) {
	if text == "" {
		return absent, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err
}

// json is the value as it is stored.
func (f parameterFields) json() (string, error) {
	if f.IsText {
		value, err := json.Marshal(f.Value)
		return string(value), err
	}
	var number json.Number
	if err := json.Unmarshal([]byte(f.Value), &number); err != nil || f.Value[0] == '"' || number == "" {
		return "", strconv.ErrSyntax
	}
	return number.String(), nil
}

func wrongField(format string, args ...any) error {
	return chat.Errorf(chat.InvalidRequest, "%s", fmt.Sprintf(format, args...))
}

// complete adds what can be chosen.
func (s *Site) complete(ctx context.Context, form routeForm) (routeForm, error) {
	form = form.widened()
	form.Models = idsOf(s.Listed())
	answer, err := s.Config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{})
	for _, each := range answer.GetUpstreams() {
		form.Upstreams = append(form.Upstreams, each.GetName())
	}
	return form, err
}
