"""Starts a unit over D-Bus, sets the event it waits for, and prints each state that
PropertiesChanged tells of, until it is up. Arguments: address, bus|private, unit."""
import sys

import dbus
import dbus.bus
import dbus.connection
import dbus.mainloop.glib
from gi.repository import GLib

address, kind, unit = sys.argv[1:]
loop = GLib.MainLoop()
glib = dbus.mainloop.glib.DBusGMainLoop()
if kind == "bus":
    connection, name = dbus.bus.BusConnection(address, mainloop=glib), "org.reeve1"
else:
    connection, name = dbus.connection.Connection(address, mainloop=glib), None


def call(method, signature, *arguments, reply=lambda *a: None):
    def failed(error):
        print(error, file=sys.stderr)
        loop.quit()
    connection.call_async(name, "/org/reeve1", "org.reeve1.Manager", method, signature,
                          arguments, reply, failed)


def changed(interface, values, invalidated):
    if interface != "org.reeve1.Unit" or "State" not in values:
        return
    print(values["State"], flush=True)
    if values["State"] == "waiting":
        call("SetEvent", "sa{sv}", "go", {})
    if values["State"] == "up":
        loop.quit()


path = connection.call_blocking(name, "/org/reeve1", "org.reeve1.Manager", "GetUnit", "s", (unit,))
connection.add_signal_receiver(changed, "PropertiesChanged", "org.freedesktop.DBus.Properties",
                               path=path)
call("Start", "sa{sv}", unit, dbus.Dictionary({}, signature="sv"))
GLib.timeout_add_seconds(30, loop.quit)
loop.run()
