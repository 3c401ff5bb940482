"""The bank's ledger: every movement changes the balance of its accounts, to the cent.

Tarn calls handler(event, context) with one CloudEvent at a time and says in TARN_STORE_LEDGER where the store's SQLite file is.
The event's position goes into the same transaction as its effect, so that one which is sent again changes nothing.
"""
import os
import sqlite3
from decimal import Decimal

store = sqlite3.connect(os.environ['TARN_STORE_LEDGER'], timeout=10, isolation_level=None)
store.execute('CREATE TABLE IF NOT EXISTS balance(account TEXT PRIMARY KEY, balance TEXT NOT NULL, movements INTEGER NOT NULL)')
store.execute('CREATE TABLE IF NOT EXISTS applied(position TEXT PRIMARY KEY) WITHOUT ROWID')


def movements(kind, data):
    """The accounts that an event changes, each with by how much."""
    amount = Decimal(data['Amount'])
    if kind in ('cash_deposit', 'incoming_payment'):
        return [(data['TargetAccount'], amount)]
    if kind == 'verify_cash_deposit':
        return [(data['TargetAccount'], amount - Decimal(data['DepositedAmount']))]
    if kind == 'cash_withdrawal':
        return [(data['SourceAccount'], -amount)]
    return [(data['SourceAccount'], -amount), (data['TargetAccount'], amount)]


def apply(account, amount):
    row = store.execute('SELECT balance, movements FROM balance WHERE account = ?', [account]).fetchone()
    balance, count = (Decimal(row[0]), row[1]) if row else (Decimal('0.00'), 0)
    store.execute('INSERT OR REPLACE INTO balance VALUES (?, ?, ?)', [account, str(balance + amount), count + 1])


def handler(event, context):
    changes = movements(event['type'], event['data'])
    position = context.client_context.custom['TARN_POSITION']
    store.execute('BEGIN IMMEDIATE')
    try:
        if store.execute('INSERT OR IGNORE INTO applied VALUES (?)', [position]).rowcount:
            for account, amount in changes:
                apply(account, amount)
        store.execute('COMMIT')
    except BaseException:
        store.execute('ROLLBACK')
        raise
