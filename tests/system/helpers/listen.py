"""Prints the state of a unit each time that PropertiesChanged on a message bus tells it, whoever
sends it. Arguments: address, object path. "listens" first."""
import sys

import dbus.bus
import dbus.mainloop.glib
from gi.repository import GLib

address, path = sys.argv[1:]
bus = dbus.bus.BusConnection(address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
bus.add_signal_receiver(lambda interface, values, gone: print(values["State"], flush=True),
                        "PropertiesChanged", "org.freedesktop.DBus.Properties", path=path)
bus.get_name_owner("org.freedesktop.DBus")  # the match is there before it
print("listens", flush=True)
GLib.MainLoop().run()
