package simulator

import (
	"fmt"
	"maps"
)

// plan is how submissions are dealt with: all of them, and those to some numbers.
type plan struct {
	fault    *fault
	scenario map[string]*fault // by the end of the number
}

func newPlan(name string, scenario map[string]string) (*plan, error) {
	p := &plan{scenario: map[string]*fault{}}
	var err error
	if p.fault, err = faultNamed(name); err != nil {
		return nil, fmt.Errorf("simulated MMSC: %w", err)
	}
	for ending, name := range scenario {
		if p.scenario[ending], err = faultNamed(name); err != nil {
			return nil, fmt.Errorf("simulated MMSC, scenario of numbers that end in %s: %w", lastDigits(ending), err)
		}
		if p.scenario[ending].refuses {
			return nil, fmt.Errorf("simulated MMSC, scenario of numbers that end in %s: %s is of the whole MMSC; set it as Fault", lastDigits(ending), name)
		}
	}
	return p, nil
}

// of is the fault that a recipient has of its own: that of the longest ending which
// fits; nil where none does.
func (p *plan) of(to string) *fault {
	for i := range to {
		if f := p.scenario[to[i:]]; f != nil {
			return f
		}
	}
	return nil
}

// SetFault changes Options.Fault while the MMSC serves, from the next request on.
// Empty is a sound MMSC. The fault refuse is for [Open] alone: who serves listens.
func (m *MMSC) SetFault(name string) error {
	f, err := faultNamed(name)
	if err != nil {
		return fmt.Errorf("simulated MMSC: %w", err)
	}
	if f.refuses {
		return fmt.Errorf("simulated MMSC: %s is for the start; open it anew with that fault", name)
	}
	m.change(func(p *plan) { p.fault = f })
	return nil
}

// SetScenario changes Options.Scenario as a whole while the MMSC serves, from the next
// request on. An empty name stands for a sound MMSC; nil takes all away.
func (m *MMSC) SetScenario(scenario map[string]string) error {
	wanted, err := newPlan("", scenario)
	if err != nil {
		return err
	}
	m.change(func(p *plan) { p.scenario = wanted.scenario })
	return nil
}

// setOne changes the scenario of one ending; an empty name takes it away.
func (m *MMSC) setOne(ending, name string) error {
	wanted, err := newPlan("", map[string]string{ending: name})
	if err != nil {
		return err
	}
	m.change(func(p *plan) {
		p.scenario = maps.Clone(p.scenario)
		p.scenario[ending] = wanted.scenario[ending]
		if name == "" {
			delete(p.scenario, ending)
		}
	})
	return nil
}

// change puts a changed copy of the plan into force: what is under way keeps its own.
func (m *MMSC) change(how func(*plan)) {
	for {
		old := m.plan.Load()
		changed := *old
		how(&changed)
		if m.plan.CompareAndSwap(old, &changed) {
			return
		}
	}
}
