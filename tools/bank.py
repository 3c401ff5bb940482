#!/usr/bin/env python3
"""Makes the demo's bank: 200 accounts, 10,000 events of five types over 30 days, one file each, a folder a day. The same
files every time. About 1 in 500 is malformed in the ways that hand-written JSON is; a few name a key twice.

    tools/bank.py DIRECTORY [--events 10000] [--accounts 200] [--days 30] [--start 1709251200]
"""
import argparse, pathlib, random

TYPES = [("cash_deposit", 24), ("verify_cash_deposit", 0), ("cash_withdrawal", 18), ("incoming_payment", 30), ("inter_account_transfer", 16)]
NOTES = [500, 200, 100, 50, 20, 10, 5]


def euros(cents):
    return f"{cents // 100}.{cents % 100:02d}"


def banknotes(cents):
    notes = {}
    for note in NOTES:
        n, cents = divmod(cents, note * 100)
        if n:
            notes[f"{note}-euro-bills"] = n
    if cents:
        notes["coins"] = euros(cents)
    return notes


def text(value, indent=0):
    """JSON as a person would write it, one member a line."""
    pad = "  " * (indent + 1)
    if isinstance(value, dict):
        inner = ",\n".join(f'{pad}"{k}": {text(v, indent + 1)}' for k, v in value.items())
        return "{\n" + inner + "\n" + "  " * indent + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Bank:
    def __init__(self, options):
        self.random = random.Random(4711)
        self.options = options
        self.accounts = [f"ACC-{i:04d}" for i in range(1, options.accounts + 1)]
        self.unverified = []
        self.serial = 0

    def amount(self, low, high):
        return self.random.randrange(low, high) * 100 + self.random.choice([0, 0, 50, 5, 99, 45])

    def event(self, at):
        r = self.random
        self.serial += 1
        if self.unverified and (len(self.unverified) > 40 or r.random() < 0.12):
            return self.verification(at)
        kind = r.choices([t for t, _ in TYPES], [w for _, w in TYPES])[0]
        account = r.choice(self.accounts)
        reference = f"R{self.serial:06d}"
        if kind == "cash_deposit":
            cents = r.randrange(1, 400) * 500
            data = {"EventTimeStamp": at, "TargetAccount": account, "Amount": euros(cents), "LocationType": r.choice(["ATM", "Teller"]),
                    "Reference": reference, "Verified": False, "Currency": banknotes(cents)}
            self.unverified.append((data, cents))
        elif kind == "cash_withdrawal":
            cents = r.randrange(1, 80) * 500
            data = {"EventTimeStamp": at, "SourceAccount": account, "Amount": euros(cents), "LocationType": r.choice(["ATM", "Teller"]),
                    "Reference": reference, "Currency": banknotes(cents)}
        elif kind == "incoming_payment":
            data = {"EventTimeStamp": at, "SourceAccount": f"EXT-{r.randrange(10**6):06d}", "TargetAccount": account,
                    "Amount": euros(self.amount(5, 3000)), "SourceInstitution": r.choice(["NORDBANK", "SPARKASSE", "BANCO SUR", "CREDIT OUEST"]),
                    "Reference": reference}
        else:
            target = r.choice([a for a in self.accounts if a != account])
            data = {"EventTimeStamp": at, "SourceAccount": account, "TargetAccount": target, "Amount": euros(self.amount(1, 900)), "Reference": reference}
        return kind, data

    def verification(self, at):
        r = self.random
        deposit, cents = self.unverified.pop(0)
        counted = cents if r.random() < 0.9 else max(500, cents + r.choice([-1000, -500, 500, 1000, 2000]))
        return "verify_cash_deposit", {
            "EventTimeStamp": at, "TargetAccount": deposit["TargetAccount"], "Amount": euros(counted), "DepositedAmount": deposit["Amount"],
            "LocationType": deposit["LocationType"], "Reference": deposit["Reference"], "Verified": True,
            "Currency": deposit["Currency"], "VerifiedCurrency": banknotes(counted), "VerifiedByEmployeeId": f"E{r.randrange(40):03d}",
            "FinalFinding": "as declared" if counted == cents else "counted amount differs"}

    def spoil(self, document):
        """The mistakes of hand-written JSON."""
        choice = self.serial % 3
        if choice == 0 and '"Currency": {' in document:
            return document.replace('"Currency": {', '"Currency": [', 1).replace("}", "]", 1)
        if choice == 1:
            return document[: len(document) * 2 // 3]
        return document.replace('": ', '" ', 1)

    def write(self, root):
        days = self.options.days
        per_day, rest = divmod(self.options.events, days)
        bad = double = 0
        for day in range(days):
            folder = root / f"day-{day + 1:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            count = per_day + (1 if day < rest else 0)
            begin = self.options.start + day * 86400
            for i in range(count):
                at = begin + 180 + i * 86000 // max(count, 1)
                kind, data = self.event(at)
                document = text(data) + "\n"
                if self.serial % 500 == 250:
                    document = self.spoil(document)
                    bad += 1
                elif self.serial % 700 == 90:
                    document = document.replace('  "Reference"', '  "Reference": "entered twice",\n  "Reference"', 1)
                    double += 1
                (folder / f"{kind}_{begin // 86400:05d}{i:04d}{self.serial:06d}.event").write_text(document)
        return bad, double


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--events", type=int, default=10000)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--start", type=int, default=1709251200)  # 2024-03-01
    options = parser.parse_args()
    bad, double = Bank(options).write(options.directory)
    print(f"{options.events} events of {options.accounts} accounts over {options.days} days in {options.directory} "
          f"({bad} malformed, {double} with a key written twice)")


main()
