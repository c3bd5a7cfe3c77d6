package settings

// A Draft is a set of settings that is being changed. However many changes there are, the set is made once, so that the work is
// linear in its size and theirs.
type Draft struct {
	in      *Interner
	from    *Set
	changes map[string]*Setting // by key; nil: taken out
}

// Edit begins a draft of s.
func (in *Interner) Edit(s *Set) *Draft { return &Draft{in: in, from: s} }

// Set gives a parameter a value.
func (d *Draft) Set(name, value string) {
	key := Fold(name)
	if old, ok := d.Get(key); !ok || old != value {
		d.change(key, &Setting{key, name, value})
	}
}

// Drop takes a parameter out.
func (d *Draft) Drop(name string) {
	key := Fold(name)
	if _, ok := d.Get(key); ok {
		d.change(key, nil)
	}
}

func (d *Draft) change(key string, to *Setting) {
	if d.changes == nil {
		d.changes = make(map[string]*Setting)
	}
	d.changes[key] = to
}

// Get looks a parameter up by its key.
func (d *Draft) Get(key string) (value string, ok bool) {
	if it, changed := d.changes[key]; changed {
		if it == nil {
			return "", false
		}
		return it.Value, true
	}
	return d.from.Get(key)
}

// Done returns the set as it is after the changes. A draft without any returns what it was begun with.
func (d *Draft) Done() *Set {
	if len(d.changes) == 0 {
		return d.from
	}
	items := make([]Setting, 0, len(d.from.items)+len(d.changes))
	for _, it := range d.from.items {
		if _, changed := d.changes[it.Key]; !changed {
			items = append(items, it)
		}
	}
	for _, it := range d.changes {
		if it != nil {
			items = append(items, *it)
		}
	}
	return d.in.Intern(items)
}

// With returns the set in which name has the given value. Where there may be many, a draft makes one set of them.
func (in *Interner) With(s *Set, name, value string) *Set {
	d := in.Edit(s)
	d.Set(name, value)
	return d.Done()
}

// Without returns the set that lacks name.
func (in *Interner) Without(s *Set, name string) *Set {
	d := in.Edit(s)
	d.Drop(name)
	return d.Done()
}
