"""The host's state is read from the files of real and scripted hosts."""

import pytest

from octoprint_uptime.why.host import Host

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
DEFAULT_ROUTE = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
NOTHING = "0" * 32
ROUTES_IPV6 = f"""\
fe800000000000000000000000000000 40 {NOTHING} 00 {NOTHING} 00000100 00000002 00000000 00000001 eth0
{NOTHING} 00 {NOTHING} 00 {NOTHING} ffffffff 00000001 00000000 00200200       lo
"""
GATEWAY_IPV6 = "fe80000000000000000000000000beef"
DEFAULT_ROUTE_IPV6 = (
    f"{NOTHING} 00 {NOTHING} 00 {GATEWAY_IPV6} 00000400 00000003 00000000 00000003     eth0\n"
)
ZONE = "sys/class/thermal/thermal_zone0"
BOARD = {f"{ZONE}/type": "cpu-thermal\n", f"{ZONE}/temp": "61331\n"}
RASPBERRY_PI = {"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0"}
CRITICAL = {f"{ZONE}/trip_point_0_type": "critical\n", f"{ZONE}/trip_point_0_temp": "110000\n"}


def passive(number, temperature):
    return {
        f"{ZONE}/trip_point_{number}_type": "passive\n",
        f"{ZONE}/trip_point_{number}_temp": f"{temperature}\n",
    }


@pytest.mark.parametrize(
    ("files", "is_there"),
    [
        ({}, False),
        ({"route": ROUTES, "ipv6_route": ROUTES_IPV6}, False),
        ({"route": ROUTES + DEFAULT_ROUTE}, True),
        ({"route": ROUTES, "ipv6_route": ROUTES_IPV6 + DEFAULT_ROUTE_IPV6}, True),
        (
            {"ipv6_route": ROUTES_IPV6 + DEFAULT_ROUTE_IPV6.replace("00000003  ", "00000203  ")},
            False,
        ),
    ],
)
def test_a_network_is_a_way_out(host, files, is_there):
    root = host({f"proc/net/{name}": text for name, text in files.items()})
    assert Host(root).state().network is is_there


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        (RASPBERRY_PI, None),  # and no sensor
        (BOARD, None),
        ({**BOARD, **CRITICAL}, None),
        ({**BOARD, **CRITICAL, **RASPBERRY_PI}, 80.0),
        ({**BOARD, **passive(1, 70000), **passive(2, 85000)}, 85.0),
        ({**BOARD, **passive(1, -274000), **RASPBERRY_PI}, 80.0),
        ({**BOARD, **passive(1, 0)}, None),
    ],
)
def test_where_heat_slows_the_processor(host, files, limit):
    assert Host(host(files)).state().heat_limit_celsius == limit


def test_this_hosts_clock_is_read_and_left_alone():
    states = {Host().state().clock_set for _ in range(3)}
    assert len(states) == 1
    assert states <= {True, False, None}
