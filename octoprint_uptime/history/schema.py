"""The tables of the history's file, version by version."""

MIGRATIONS = (
    """
    CREATE TABLE boots (
        id INTEGER PRIMARY KEY,
        kernel_id TEXT,
        booted_at REAL NOT NULL,
        clock_set INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        boot INTEGER NOT NULL REFERENCES boots,
        started REAL NOT NULL,
        seen REAL NOT NULL,
        ended REAL,
        octoprint_version TEXT NOT NULL,
        printing TEXT,
        undervoltage INTEGER NOT NULL DEFAULT 0,
        acknowledged INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE connections (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs,
        started REAL NOT NULL,
        ended REAL,
        failed INTEGER NOT NULL DEFAULT 0,
        port TEXT
    );
    """,
    """
    CREATE TABLE totals (
        subject TEXT NOT NULL,
        what TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (subject, what)
    ) WITHOUT ROWID;
    CREATE TEMPORARY VIEW ended AS
        SELECT *, CASE
            WHEN ended IS NOT NULL AND boot = next_boot THEN 'restart'
            WHEN ended IS NOT NULL THEN 'shutdown'
            WHEN boot = next_boot THEN 'crash'
            ELSE 'power_loss'
        END AS what
        FROM (SELECT *, lead(boot) OVER (ORDER BY id) AS next_boot FROM runs)
        WHERE next_boot IS NOT NULL;
    INSERT INTO totals SELECT 'octoprint', what, count(*) FROM ended GROUP BY what;
    INSERT INTO totals SELECT 'system', what, count(*) FROM ended
        WHERE boot <> next_boot GROUP BY what;
    INSERT INTO totals SELECT 'printer', CASE
            WHEN ended IS NULL THEN 'octoprint_down'
            WHEN failed THEN 'error'
            ELSE 'disconnected'
        END AS what, count(*)
        FROM connections
        WHERE ended IS NOT NULL OR run IN (SELECT id FROM ended) GROUP BY what;
    INSERT INTO totals SELECT 'octoprint', 'interrupted_print', count(*) FROM ended
        WHERE printing IS NOT NULL GROUP BY printing IS NOT NULL;
    INSERT INTO totals SELECT 'octoprint', 'undervoltage', count(*) FROM runs
        WHERE undervoltage GROUP BY undervoltage;
    DROP VIEW ended;
    """,
    """
    CREATE TABLE seal (seal TEXT NOT NULL);
    ALTER TABLE runs ADD COLUMN copied INTEGER NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE beats (
        slot INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        at REAL NOT NULL,
        memory_available_bytes INTEGER,
        swap_used_bytes INTEGER,
        process_memory_bytes INTEGER,
        process_open_files INTEGER,
        load REAL,
        cpu_celsius REAL,
        disk_free_bytes INTEGER,
        disk_read_only INTEGER,
        oom_kills INTEGER,
        filesystem_errors INTEGER,
        loop_late_seconds REAL
    );
    ALTER TABLE runs ADD COLUMN token TEXT;
    ALTER TABLE runs ADD COLUMN died REAL;
    ALTER TABLE runs ADD COLUMN goodbye TEXT;
    ALTER TABLE runs ADD COLUMN undervoltage_at REAL;
    ALTER TABLE runs ADD COLUMN facts TEXT;
    ALTER TABLE runs ADD COLUMN vitals TEXT;
    CREATE TABLE reasons (
        subject TEXT NOT NULL,
        what TEXT NOT NULL,
        reason TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (subject, what, reason)
    ) WITHOUT ROWID;
    INSERT INTO reasons SELECT subject, what, 'unknown', count FROM totals
        WHERE subject IN ('octoprint', 'system')
        AND what NOT IN ('interrupted_print', 'undervoltage');
    CREATE TABLE registers (
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (name, value)
    ) WITHOUT ROWID;
    CREATE TABLE versions (
        key TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        version TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE panics (name TEXT PRIMARY KEY) WITHOUT ROWID;
    """,
    """
    ALTER TABLE beats ADD COLUMN print TEXT;
    ALTER TABLE runs ADD COLUMN stopped_at TEXT;
    ALTER TABLE connections ADD COLUMN facts TEXT;
    UPDATE connections SET facts = '{}' WHERE ended IS NOT NULL;
    INSERT INTO reasons SELECT subject, what,
            CASE what WHEN 'octoprint_down' THEN 'octoprint_down' ELSE 'unknown' END, count
        FROM totals WHERE subject = 'printer';
    CREATE TABLE hours (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        at REAL NOT NULL,
        vitals TEXT NOT NULL
    );
    INSERT INTO totals SELECT 'octoprint', 'undervoltages', max(count, (
            SELECT ifnull(sum(undervoltage), 0) FROM runs
        )) FROM totals WHERE subject = 'octoprint' AND what = 'undervoltage';
    CREATE TABLE prints (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs,
        started REAL NOT NULL,
        ended REAL,
        file TEXT NOT NULL,
        result TEXT
    );
    CREATE INDEX last_seen ON runs (boot, seen);
    """,
    """
    ALTER TABLE hours ADD COLUMN boot INTEGER;
    ALTER TABLE hours ADD COLUMN booted_at REAL;
    UPDATE hours SET boot = (SELECT boot FROM runs WHERE id = run);
    """,
)
"""Each updates a file from the version that equals its index to the next version."""
