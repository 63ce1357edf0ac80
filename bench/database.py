"""Rows of a project's database. As root, all of it is run by an ordinary user, because PostgreSQL refuses root."""

import os

from runner import give, median, server_user, shown

# As ampup runs it, but for the place.
INITDB = "--username {user} --auth-local trust --encoding UTF8 --locale C"
# A GB of what databases hold: numbers, texts that do not compress, times, blanks.
ROWS = 8_300_000
FILL = (f"create table sample as select i as id, i % 1000 as branch, md5(i::text) as digest, now() - i * interval '1 s' as at, "
        f"repeat(' ', 40) as filler from generate_series(1, {ROWS}) i; checkpoint")


class Projects:
    """Projects of one home, and what one would type without ampup."""

    def __init__(self, bench, place):
        self.bench, self.user = bench, server_user()
        self.top = give(bench.fresh())
        self.home = self.top / "home"
        self.ampup("install", "--component", "postgres", cwd=self.top)
        self.programs = (self.home / "active/postgres").resolve() / "bin"

    def ampup(self, *arguments, cwd, **how):
        return self.bench.ampup(*arguments, **self.here(cwd), **how)

    def here(self, cwd):
        return {"home": self.home, "user": self.user, "cwd": cwd, "HOME": str(self.top)}

    def shell(self, script, cwd):
        return self.bench.shell(f"PATH={self.programs}:$PATH; {script}", user=self.user, cwd=cwd)

    def fresh(self):
        return give(self.bench.fresh())

    def initdb(self, cwd, more=""):
        name = self.user or os.environ.get("USER", "postgres")
        return self.shell(f"initdb -D data {INITDB.format(user=name)} {more}", cwd)

    def by_hand(self, cwd):
        """A server with a socket in its own directory."""
        return self.shell("pg_ctl -D data -w -l log -o \"-k $PWD -c listen_addresses=''\" start", cwd)

    def started(self):
        project = self.fresh()
        self.ampup("db", "start", cwd=project)
        return project


def rows(bench, place, slow):
    projects = Projects(bench, place)
    acceptance(bench, projects)
    starts(bench, projects)
    if slow:
        backups(bench, projects)


def acceptance(bench, projects):
    ours, theirs, ratios = [], [], []
    for _ in range(max(3, bench.rounds // 3)):
        home = projects.fresh() / "home"
        run = bench.ampup("install", "--component", "postgres", home=home, user=projects.user, HOME=str(projects.top), phases=True)
        ours.append(run.acceptance())
        theirs.append(projects.initdb(projects.fresh(), "--no-sync").seconds)
        ratios.append(ours[-1] / theirs[-1])
    middle = lambda values: sorted(values)[len(values) // 2]
    bench.row("acceptance, against `initdb --no-sync`", "≤ 1.1", f"{middle(ratios):.2f}", f"{shown(middle(ours))} and {shown(middle(theirs))}")


def starts(bench, projects):
    made = []

    def first():
        made.append(projects.fresh())
        return projects.ampup("db", "start", cwd=made[-1])

    def first_by_hand():
        made_by_hand.append(projects.fresh())
        run = projects.initdb(made_by_hand[-1])
        run.seconds += projects.by_hand(made_by_hand[-1]).seconds
        return run

    made_by_hand = []
    stop_by_hand = lambda place: projects.shell("pg_ctl -D data -w -m fast stop", place)
    few = max(3, bench.rounds // 3)
    bench.pairs("first `db start`, from the template, against initdb + pg_ctl -w start", "≤ 0.1", first, first_by_hand, rounds=few)
    ours, theirs = made[-1], made_by_hand[-1]
    for place in made[:-1]:
        projects.ampup("db", "stop", cwd=place)
    for place in made_by_hand[:-1]:
        stop_by_hand(place)

    def next_start():
        stops.append(projects.ampup("db", "stop", cwd=ours))
        return projects.ampup("db", "start", cwd=ours)

    def next_by_hand():
        stop_by_hand(theirs)
        return projects.by_hand(theirs)

    stops = []
    bench.pairs("the next `db start`, against pg_ctl -w start", "≤ 1.0", next_start, next_by_hand)
    bench.cpu("`db url` of a database that runs", "≤ 5 ms", "db", "url", **projects.here(ours))
    stop_by_hand(theirs)
    projects.ampup("db", "stop", cwd=ours)
    bench.cpu("`db url` of a stopped database", "≤ 5 ms", "db", "url", **projects.here(ours))
    runs, starts, stops = [], [], []
    for _ in range(bench.rounds):
        runs.append(projects.ampup("run", "true", cwd=ours))
        starts.append(projects.ampup("db", "start", cwd=ours))
        stops.append(projects.ampup("db", "stop", cwd=ours))
    run, start, stop = (median(took, "seconds") for took in (runs, starts, stops))
    bench.row("`run true` on a stopped database, beyond `db start` and `db stop`", "≤ 20 ms", f"{(run - start - stop) * 1000:.0f} ms",
              f"{shown(run)}; start {shown(start)}, stop {shown(stop)}")


def backups(bench, projects):
    """A GB, copied and brought back; each side in a fresh file, and on the disk where tar's is flushed."""
    project = projects.started()
    cluster = project / ".amp/metadb"
    projects.ampup("run", "psql", "-qc", FILL, cwd=project)
    projects.ampup("db", "stop", cwd=project)
    mine, peer = [], []

    def back_up():
        mine.append(projects.fresh() / "sample.tar.zst")
        return projects.ampup("db", "backup", mine[-1], cwd=project)

    def back_up_by_hand():
        peer.append(projects.fresh() / "sample.tar.gz")
        return projects.shell(f"tar c -C {cluster} . | gzip -1 > {peer[-1]}", project)
    bytes_of = projects.shell(f"du -sb {cluster} | cut -f 1", project).output.strip()
    bench.pairs(f"backup of a database of {int(bytes_of) / 1e9:.1f} GB, against tar | gzip -1", "≤ 0.6", back_up, back_up_by_hand, rounds=2)
    sizes = [file[-1].stat().st_size for file in (mine, peer)]
    bench.row("size of its file, against gzip -1's", "≤ 1.0", f"{sizes[0] / sizes[1]:.2f}", f"{sizes[0] / 1e6:.0f} and {sizes[1] / 1e6:.0f} MB")
    bench.pairs("its restore, against tar xzf + sync", "≤ 0.6",
                lambda: projects.ampup("db", "restore", mine[-1], cwd=projects.fresh()),
                lambda: projects.shell(f"tar xzf {peer[-1]}; sync -f .", projects.fresh()), rounds=2)
    for file in mine + peer:
        file.unlink()
