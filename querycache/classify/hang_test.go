package classify
import ("testing";"time";"os")
func watch(sql string) func() {
	t := time.AfterFunc(3*time.Second, func(){ os.WriteFile("/tmp/hang.txt", []byte(sql), 0o644); panic("hang: "+sql) })
	return func(){ t.Stop() }
}
func FuzzHang(f *testing.F){
	for _, s := range []string{"select * from t where a = 'x' and b = $1", "with x as (delete from t returning *) select * from x","select set_config('a', 'b', true)", "explain analyze select f()", "create temp table x()"} { f.Add(s) }
	c := settled(f)
	f.Fuzz(func(t *testing.T, sql string){ defer watch(sql)(); c.Judge([]byte(sql)) })
}
